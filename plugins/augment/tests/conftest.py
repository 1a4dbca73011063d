"""Augmentations by name, and images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cganzoo_augment import cganzoo_augmentations
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.augmentation import Augmentation
from cganzoo.config import parse

Make = Callable[..., Augmentation]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def make() -> Make:
    """``make("ada", 32, p=0.5)``: the augmentation for images of 32 pixels, with these options of a recipe."""
    specs = {spec.name: spec for spec in cganzoo_augmentations()}

    def build(name: str, side: int = 8, channels: int = 3, **options: Any) -> Augmentation:
        context = BuildContext(num_classes=10, image_size=side, image_channels=channels)
        made = specs[name].build(parse(specs[name].config, options), context)
        assert isinstance(made, Augmentation)
        return made

    return build


@pytest.fixture(scope="session")
def images() -> Callable[..., Tensor]:
    """``images(4, 3, 8)``: noise in [-1, 1], (4, 3, 8, 8)."""

    def noise(count: int, channels: int = 3, side: int = 8, dtype: torch.dtype = torch.float32) -> Tensor:
        return (torch.rand(count, channels, side, side) * 2 - 1).to(dtype)

    return noise
