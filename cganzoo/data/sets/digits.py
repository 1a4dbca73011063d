"""scikit-learn's handwritten digits (UCI Optical Recognition of Handwritten Digits, test part)."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from cganzoo.data.source import ArraySource

from .config import DigitsConfig


def digits(config: DigitsConfig) -> ArraySource:
    """1,797 gray images of 8x8 pixels in ten classes; the split is the same every time."""
    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)  # stored as counts of 0 to 16
    train, test = train_test_split(
        np.arange(len(images)), test_size=config.test_fraction, stratify=bunch.target, random_state=0
    )
    return ArraySource(
        {"train": (images[train], bunch.target[train]), "test": (images[test], bunch.target[test])},
        class_names=tuple(str(name) for name in bunch.target_names),
    )
