"""Image-space corruptions: frequency filters, noise and cutout (appendix B)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .draws import Draws
from .resample import reflected

HALF_BAND = (-1 / 32, 0, 9 / 32, 16 / 32, 9 / 32, 0, -1 / 32)
"""|H|^2 / 2 of the wavelet sym2: it keeps the lower half of the frequencies, and one minus it keeps the upper half."""

POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)
"""The bands' shares of the power of natural images, the lowest frequencies first."""


def band_matrices(side: int) -> Tensor:
    """The filters (4, side, side) along an axis that keep one band each: up to 1/8, 1/4, 1/2 and 1 of the frequencies.

    Their sum is the identity. Beyond its ends, the axis is continued by its mirror image.
    """
    whole = torch.eye(side)
    bands: list[Tensor] = []
    for spread in (1, 2, 4):
        half = _half_band(side, spread)
        bands.insert(0, (torch.eye(side) - half) @ whole)
        whole = half @ whole
    return torch.stack([whole, *bands])


def _half_band(side: int, spread: int) -> Tensor:
    """The half-band filter along an axis, with ``spread`` pixels from tap to tap, as a matrix (side, side)."""
    matrix = torch.zeros(side, side)
    for tap, weight in enumerate(HALF_BAND):
        sources = reflected(torch.arange(side) + spread * (tap - len(HALF_BAND) // 2), side)
        matrix += weight * torch.eye(side)[sources]
    return matrix


class Filter(nn.Module):
    """Amplify or weaken each of four frequency bands with probability p, and keep the expected power.

    Args:
        side: of the images, in pixels.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.register_buffer("bands", band_matrices(side), persistent=False)
        self.register_buffer("power", torch.tensor(POWER), persistent=False)

    def gains(self, draw: Draws) -> Tensor:
        """The factor of each band (N, 4): for each band that is drawn, this band's factor, then normalised."""
        power = self.get_buffer("power").to(draw.dtype)
        gains = torch.ones_like(draw.choice(1))[:, None] * torch.ones_like(power)
        for band in range(len(POWER)):
            executed, factor = draw.executed(), draw.factor(1.0)
            drawn = torch.stack([factor if other == band else torch.ones_like(factor) for other in range(4)], 1)
            drawn = drawn / (power * drawn.square()).sum(1, keepdim=True).sqrt()
            gains = torch.where(executed[:, None], gains * drawn, gains)
        return gains

    def forward(self, images: Tensor, draw: Draws) -> Tensor:
        """Filter images (N, C, H, H) along both axes."""
        gains = self.gains(draw)
        along = torch.einsum("nb,bij->nij", gains, self.get_buffer("bands").to(images.dtype))[:, None]
        same = (gains == 1).all(1)[:, None, None, None]
        return torch.where(same, images, along @ images @ along.mT)


class Noise(nn.Module):
    """Add normal noise to each value with probability p; its deviation is half-normal, 0.1 |normal|."""

    def forward(self, images: Tensor, draw: Draws) -> Tensor:
        """Add noise to images (N, C, H, W)."""
        deviation = draw.sometimes(draw.normal(0.1).abs(), 0.0)
        return images + deviation[:, None, None, None] * torch.randn_like(images)


class Cutout(nn.Module):
    """Make a square of half the side gray with probability p; its centre is anywhere in the image."""

    def forward(self, images: Tensor, draw: Draws) -> Tensor:
        """Cut images (N, C, H, W)."""
        rows, columns = (self._cut(draw, side, images.device) for side in images.shape[2:])
        square = draw.executed()[:, None, None] & rows[:, :, None] & columns[:, None, :]
        return torch.where(square[:, None], 0.0, images)

    @staticmethod
    def _cut(draw: Draws, side: int, device: torch.device) -> Tensor:
        """Whether each place along a side is in the square, (N, side)."""
        centre = draw.uniform(0, 1)[:, None]
        place = torch.arange(side, device=device)
        return (place >= ((centre - 0.25) * side).round()) & (place < ((centre + 0.25) * side).round())
