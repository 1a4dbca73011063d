"""Images from the places that homogeneous matrices name: by copying pixels, or by filtered resampling.

The filtered one is that of appendix B: the image is made twice as large with the wavelet sym6, sampled there bilinearly
at twice the resolution of the result, and made half as large with the same wavelet. So images stay sharp when they are
enlarged, and have no aliasing when they are reduced. Both filters are matrices here, as the side is known.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .pixels import pixels

SYM6 = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
"""Low-pass filter of the symlet with six vanishing moments (Daubechies, Ten Lectures on Wavelets, table 6.3)."""

MARGIN = len(SYM6) // 2 - 1
"""How far the filter reaches beyond the two fine pixels that make one pixel, on each side."""

CENTRE = sum(tap * weight for tap, weight in enumerate(SYM6)) / sum(SYM6) - MARGIN
"""The place of a pixel among its fine pixels 0 and 1. It is not 1/2, as the filter is only nearly symmetric."""


def reflected(place: Tensor, side: int) -> Tensor:
    """Places along an axis, mirrored at the first and the last pixel, so that all are from 0 to side - 1."""
    period = 2 * (side - 1)
    around = place.remainder(period)
    return torch.minimum(around, period - around)


def wavelet_matrices(side: int) -> tuple[Tensor, Tensor]:
    """The matrices that make an axis twice as fine, (2 side, side), and half as fine, (side, 2 side + 2 MARGIN).

    Fine pixel j is at the place (j - CENTRE) / 2 of the coarse axis. The second matrix begins at fine pixel -MARGIN.
    The wavelet is orthonormal: inside the image, each matrix is the transpose of the other up to a factor of 2, and
    the second one after the first one changes nothing.
    """
    finer, coarser = torch.zeros(2 * side + 2 * MARGIN, side), torch.zeros(side, 2 * side + 2 * MARGIN)
    inside, beyond = torch.arange(side), torch.arange(-MARGIN, side + MARGIN)
    for tap, weight in enumerate(SYM6):
        coarser[inside, 2 * inside + tap] = weight / math.sqrt(2)
        fine = 2 * beyond + tap
        there = (fine >= 0) & (fine < len(finer))
        finer[fine[there], reflected(beyond, side)[there]] += math.sqrt(2) * weight
    return finer[MARGIN:-MARGIN], coarser


def copied(images: Tensor, matrices: Tensor) -> Tensor:
    """The pixels (N, C, H, H) nearest to where the matrices (N, 3, 3) map the pixels of the result."""
    side = images.shape[-1]
    x, y = _sources(torch.arange(side, dtype=images.dtype, device=images.device), matrices, side)
    return pixels(images, y.round().long(), x.round().long()).view_as(images)


def resampled(images: Tensor, matrices: Tensor, finer: Tensor, coarser: Tensor) -> Tensor:
    """The same, filtered; ``finer`` and ``coarser`` are of :func:`wavelet_matrices`."""
    side = images.shape[-1]
    fine = finer @ images @ finer.mT
    wanted = (torch.arange(-MARGIN, 2 * side + MARGIN, dtype=images.dtype, device=images.device) - CENTRE) / 2
    x, y = (2 * place + CENTRE for place in _sources(wanted, matrices, side))
    sampled = bilinear(fine, y, x).view(*images.shape[:2], len(wanted), len(wanted))
    return coarser @ sampled @ coarser.mT


def bilinear(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Images (N, C, H, W) between their pixels, at rows and columns (N, P) that are inside the images; (N, C, P).

    torch's ``grid_sample`` has no second derivative, and no deterministic gradient on CUDA devices.
    """
    top = rows.floor().clamp(max=images.shape[2] - 2)
    left = columns.floor().clamp(max=images.shape[3] - 2)
    down, right = (rows - top)[:, None], (columns - left)[:, None]
    row, column = top.long(), left.long()
    above = torch.lerp(pixels(images, row, column), pixels(images, row, column + 1), right)
    below = torch.lerp(pixels(images, row + 1, column), pixels(images, row + 1, column + 1), right)
    return torch.lerp(above, below, down)


def _sources(axis: Tensor, matrices: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Columns and rows, each (N, P), that the pixels of the result come from; these are at all pairs of ``axis``."""
    centre = (side - 1) / 2
    y, x = torch.meshgrid(axis - centre, axis - centre, indexing="ij")
    places = matrices @ torch.stack([x.flatten(), y.flatten(), torch.ones_like(x).flatten()])
    return reflected(places[:, 0] + centre, side), reflected(places[:, 1] + centre, side)
