"""data.flip: the engine trains on mirrored images if the recipe says so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from cganzoo.data.cache import ImageSet
from cganzoo.recipe.resolve import Resolved
from cganzoo.train.engine import Engine


def test_the_recipe_says_whether_training_images_are_mirrored(resolved: Callable[..., Resolved]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 1, 8, 8), np.uint8)
    data = ImageSet(pixels, np.arange(64) % 4, tuple("abcd"), "train", "noise")
    on, off = (
        Engine(resolved(f"data.flip={flip}"), data, torch.device("cpu")).batches.next()[0] for flip in ("true", "false")
    )
    turned = (on == off.flip(3)).flatten(1).all(1)
    assert 0 < turned.sum() < len(on)
    assert torch.equal(on[~turned], off[~turned])
