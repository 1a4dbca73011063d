"""Pixel blitting and general geometric transformations: one homogeneous matrix for each sample (appendix B).

A function below draws, for each sample, the inverse of its transform: the matrix (N, 3, 3) that maps a place (x, y, 1)
of the result to the place that it comes from. Places are in pixels from the centre of the image; x grows to the right,
and y downwards. The inverse of "first A, then B" is A^-1 B^-1, so the matrices are multiplied in the pipeline's order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn

from .draws import Draws, is_identity
from .resample import copied, resampled, wavelet_matrices

EIGHTH = 0.125


def flip(draw: Draws, side: int) -> Tensor:
    """Mirror left-right, or not."""
    mirrored = draw.sometimes(draw.choice(2), 0.0)
    return scaling(1 - 2 * mirrored, torch.ones_like(mirrored))


def rotate90(draw: Draws, side: int) -> Tensor:
    """Rotate by 0, 90, 180 or 270 degrees."""
    quarters = draw.sometimes(draw.choice(4), 0.0)
    return rotation(quarters * (math.pi / 2)).round()


def shift(draw: Draws, side: int) -> Tensor:
    """Move by up to an eighth of the side in both directions, rounded to whole pixels."""
    executed = draw.executed()
    x, y = (torch.where(executed, (draw.uniform(-EIGHTH, EIGHTH) * side).round(), 0.0) for _ in range(2))
    return moving(-x, -y)


def scale(draw: Draws, side: int) -> Tensor:
    """Scale both axes by the same factor, 2 to the power of a number with deviation 0.2."""
    factor = draw.sometimes(draw.factor(0.2), 1.0)
    return scaling(1 / factor, 1 / factor)


def rotate(draw: Draws, side: int) -> Tensor:
    """Rotate by any angle. It is before and after :func:`stretch`; the probability that either is executed is p."""
    angle = draw.uniform(-math.pi, math.pi)
    return rotation(draw.sometimes(-angle, 0.0, p=1 - (1 - draw.p) ** 0.5))


def stretch(draw: Draws, side: int) -> Tensor:
    """Scale one axis by a factor as in :func:`scale`, and the other one by its inverse."""
    factor = draw.sometimes(draw.factor(0.2), 1.0)
    return scaling(1 / factor, factor)


def translate(draw: Draws, side: int) -> Tensor:
    """Move in both directions by normal numbers whose deviation is an eighth of the side."""
    executed = draw.executed()
    x, y = (torch.where(executed, draw.normal(EIGHTH * side), 0.0) for _ in range(2))
    return moving(-x, -y)


Transform = Callable[[Draws, int], Tensor]
BLIT: list[Transform] = [flip, rotate90, shift]
GENERAL: list[Transform] = [scale, rotate, stretch, rotate, translate]


class Geometry(nn.Module):
    """All chosen geometric transforms with one resampling.

    A sample that only pixel blitting changes is a copy of its pixels, without any filter. Beyond its border, an image
    is continued by its mirror image.

    Args:
        chosen: names of transforms; others are ignored.
        side: of the images, in pixels.
    """

    def __init__(self, chosen: Collection[str], side: int) -> None:
        super().__init__()
        self.side = side
        self.blit = [transform for transform in BLIT if transform.__name__ in chosen]
        self.general = [transform for transform in GENERAL if transform.__name__ in chosen]
        finer, coarser = wavelet_matrices(side)
        self.register_buffer("finer", finer, persistent=False)
        self.register_buffer("coarser", coarser, persistent=False)

    def forward(self, images: Tensor, draw: Draws) -> Tensor:
        """Transform images (N, C, H, H)."""
        identity = torch.eye(3, dtype=images.dtype, device=images.device).repeat(len(images), 1, 1)
        blit = general = identity
        for transform in self.blit:
            blit = blit @ transform(draw, self.side)
        for transform in self.general:
            general = general @ transform(draw, self.side)
        unfiltered = copied(images, blit) if self.blit else images
        if not self.general:
            return unfiltered
        finer, coarser = (self.get_buffer(name).to(images.dtype) for name in ("finer", "coarser"))
        return torch.where(is_identity(general), unfiltered, resampled(images, blit @ general, finer, coarser))


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """Matrices (N, 3, 3) that multiply x and y by these factors (N,)."""
    nothing = torch.zeros_like(x)
    return _matrix([x, nothing, nothing], [nothing, y, nothing])


def rotation(angle: Tensor) -> Tensor:
    """Matrices (N, 3, 3) that rotate by these angles (N,), from x towards y."""
    cosine, sine, nothing = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return _matrix([cosine, -sine, nothing], [sine, cosine, nothing])


def moving(x: Tensor, y: Tensor) -> Tensor:
    """Matrices (N, 3, 3) that add these numbers (N,) of pixels to x and y."""
    nothing, one = torch.zeros_like(x), torch.ones_like(x)
    return _matrix([one, nothing, x], [nothing, one, y])


def _matrix(first: list[Tensor], second: list[Tensor]) -> Tensor:
    nothing = torch.zeros_like(first[0])
    rows = [first, second, [nothing, nothing, nothing + 1]]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
