"""Differentiable augmentations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cganzoo import AugmentationSpec, hookimpl

from .config import DiffAugmentConfig


@hookimpl
def cganzoo_augmentations() -> Iterable[AugmentationSpec[Any]]:
    """The augmentations."""
    yield AugmentationSpec(
        name="diffaugment",
        summary="Brightness",
        config=DiffAugmentConfig,
        build="cganzoo_augment.diffaugment:DiffAugment",
        paper="arXiv:2006.10738",
        identity={"brightness": 0.0},
    )
