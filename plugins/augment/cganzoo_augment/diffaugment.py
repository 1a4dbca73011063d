"""DiffAugment (arXiv:2006.10738): the three changes of its section 3, drawn for each sample."""

from __future__ import annotations

import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.augmentation import Augmentation

from .config import DiffAugmentConfig
from .pixels import pixels

POLICY = {"color": ("brightness", "saturation", "contrast"), "translation": ("translation",), "cutout": ("cutout",)}


class DiffAugment(Augmentation):
    """The changes of the policy, one after the other, each with its strength."""

    def __init__(self, config: DiffAugmentConfig, context: BuildContext) -> None:
        super().__init__()
        self.changes = [change for name in config.policy for change in POLICY[name]]
        self.hold(**{change: getattr(config, change) for change in CHANGES})

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`cganzoo.augmentation.Augmentation`."""
        for change in self.changes:
            images = CHANGES[change](images, getattr(self, change))
        return images


def brightness(images: Tensor, strength: float | Tensor) -> Tensor:
    """x + b, where b is uniform in [-strength, strength]."""
    return images + strength * _signed(images)


def saturation(images: Tensor, strength: float | Tensor) -> Tensor:
    """m + s (x - m): m is the mean over the channels of a pixel, and s is uniform in [1 - strength, 1 + strength]."""
    colour = images - images.mean(1, keepdim=True)
    return images + strength * _signed(images) * colour


def contrast(images: Tensor, strength: float | Tensor) -> Tensor:
    """m + c (x - m): m is the mean of the image, and c is uniform in [1 - strength, 1 + strength]."""
    deviation = images - images.mean((1, 2, 3), keepdim=True)
    return images + strength * _signed(images) * deviation


def translation(images: Tensor, strength: float | Tensor) -> Tensor:
    """Move by whole pixels, uniform from -strength to strength times the side in both directions; gray enters."""
    height, width = images.shape[2:]
    rows, from_inside = _moved(images, height, strength)
    columns, from_inside_too = _moved(images, width, strength)
    inside = (from_inside[:, :, None] & from_inside_too[:, None, :])[:, None]
    moved = pixels(images, rows.repeat_interleave(width, 1), columns.repeat(1, height)).view_as(images)
    return torch.where(inside, moved, 0.0)


def cutout(images: Tensor, strength: float | Tensor) -> Tensor:
    """Make a square gray: its side is strength times that of the image, and its centre is anywhere in the image."""
    height, width = images.shape[2:]
    rows, columns = _cut(images, height, strength), _cut(images, width, strength)
    square = (rows[:, :, None] & columns[:, None, :])[:, None]
    return torch.where(square, 0.0, images)


CHANGES = {
    "brightness": brightness,
    "saturation": saturation,
    "contrast": contrast,
    "translation": translation,
    "cutout": cutout,
}


def _signed(images: Tensor) -> Tensor:
    """One number in [-1, 1) for each sample, (N, 1, 1, 1)."""
    return 2 * torch.rand(len(images), 1, 1, 1, dtype=images.dtype, device=images.device) - 1


def _whole(count: int, choices: float | Tensor, device: torch.device) -> Tensor:
    """For each of ``count`` samples a whole number from 0 to ``choices`` - 1, (count, 1) int64."""
    return (torch.rand(count, 1, device=device) * choices).long()


def _in_pixels(part: float | Tensor, side: int) -> float | Tensor:
    """A part of a side in whole pixels, rounded to the nearest."""
    return (part * side + 0.5) // 1


def _moved(images: Tensor, side: int, strength: float | Tensor) -> tuple[Tensor, Tensor]:
    """For each place along a side, (N, side): the place that its pixel comes from, and whether it is in the image."""
    most = _in_pixels(strength, side)
    move = _whole(len(images), 2 * most + 1, images.device) - most
    source = (torch.arange(side, device=images.device) - move).long()
    return source.clamp(0, side - 1), (source >= 0) & (source < side)


def _cut(images: Tensor, side: int, strength: float | Tensor) -> Tensor:
    """Whether each place along a side is in the square, (N, side)."""
    length = _in_pixels(strength, side)
    start = _whole(len(images), side + 1 - length % 2, images.device) - length // 2
    place = torch.arange(side, device=images.device)
    return (place >= start) & (place < start + length)
