"""Differentiable augmentations: DiffAugment and ADA."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cganzoo import AugmentationSpec, hookimpl

from .config import AdaConfig, DiffAugmentConfig


@hookimpl
def cganzoo_augmentations() -> Iterable[AugmentationSpec[Any]]:
    """The augmentations."""
    strengths = ("brightness", "saturation", "contrast", "translation", "cutout")
    yield AugmentationSpec(
        name="diffaugment",
        summary="DiffAugment: colour, translation and cutout",
        config=DiffAugmentConfig,
        build="cganzoo_augment.diffaugment:DiffAugment",
        paper="arXiv:2006.10738",
        identity=dict.fromkeys(strengths, 0.0),
    )
    yield AugmentationSpec(
        name="ada",
        summary="ADA: many transforms, with a probability that follows the overfitting of the discriminator",
        config=AdaConfig,
        build="cganzoo_augment.ada:build",
        paper="arXiv:2006.06676",
        identity={"p": 0.0},
    )
