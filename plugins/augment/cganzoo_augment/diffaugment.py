"""DiffAugment."""

from __future__ import annotations

import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.augmentation import Augmentation

from .config import DiffAugmentConfig


class DiffAugment(Augmentation):
    """DiffAugment."""

    def __init__(self, config: DiffAugmentConfig, context: BuildContext) -> None:
        super().__init__()
        self.config = config

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`cganzoo.augmentation.Augmentation`."""
        random = torch.rand(len(images), 1, 1, 1, device=images.device, dtype=images.dtype)
        return images + (random - 0.5) * 2 * self.config.brightness
