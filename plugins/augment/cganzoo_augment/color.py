"""Colour transformations: one affine map of the channels for each sample, as a homogeneous 4x4 matrix (appendix B).

A function below draws the matrices (N, 4, 4) of its transform. Each is the identity plus multiples of constant
matrices: RGB is the identity of the three channels, LUMA the projection on the gray axis v = (1, 1, 1) / sqrt(3), CROSS
the cross product with v, and OFFSET adds 1 to each channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn

from .draws import Draws, is_identity


def brightness(draw: Draws, axes: Tensor) -> Tensor:
    """Add a normal number with deviation 0.2."""
    return _plus(draw.sometimes(draw.normal(0.2), 0.0), axes[OFFSET])


def contrast(draw: Draws, axes: Tensor) -> Tensor:
    """Multiply by 2 to the power of a number with deviation 0.5."""
    return _plus(draw.sometimes(draw.factor(0.5), 1.0) - 1, axes[RGB])


def luma_flip(draw: Draws, axes: Tensor) -> Tensor:
    """Mirror the brightness at 0 and keep the colour, or not: the Householder matrix I - 2 v v^T."""
    return _plus(-2 * draw.sometimes(draw.choice(2), 0.0), axes[LUMA])


def hue(draw: Draws, axes: Tensor) -> Tensor:
    """Rotate the colours about the gray axis by any angle (Rodrigues' formula)."""
    angle = draw.sometimes(draw.uniform(-math.pi, math.pi), 0.0)
    return _plus(angle.cos() - 1, axes[RGB] - axes[LUMA]) + _times(angle.sin(), axes[CROSS])


def saturation(draw: Draws, axes: Tensor) -> Tensor:
    """Multiply the distance from the gray axis by 2 to the power of a number with deviation 1."""
    return _plus(draw.sometimes(draw.factor(1.0), 1.0) - 1, axes[RGB] - axes[LUMA])


TRANSFORMS: list[Callable[[Draws, Tensor], Tensor]] = [brightness, contrast, luma_flip, hue, saturation]
RGB, LUMA, CROSS, OFFSET = range(4)


def constants() -> Tensor:
    """The constant matrices, (4, 4, 4)."""
    matrices = torch.zeros(4, 4, 4)
    matrices[RGB, :3, :3] = torch.eye(3)
    matrices[LUMA, :3, :3] = 1 / 3
    matrices[CROSS, :3, :3] = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    matrices[OFFSET, :3, 3] = 1
    return matrices


class Color(nn.Module):
    """All chosen transforms of colours. A gray image is one whose three channels are equal, and stays gray.

    Args:
        chosen: names of transforms; others are ignored.
    """

    def __init__(self, chosen: Collection[str]) -> None:
        super().__init__()
        self.transforms = [transform for transform in TRANSFORMS if transform.__name__ in chosen]
        self.register_buffer("axes", constants(), persistent=False)

    def forward(self, images: Tensor, draw: Draws) -> Tensor:
        """Transform images (N, C, H, W), where C is 1 or 3."""
        axes = self.get_buffer("axes").to(images.dtype)
        matrix = _plus(torch.zeros_like(draw.choice(1)), axes[RGB])
        for transform in self.transforms:
            matrix = transform(draw, axes) @ matrix
        linear, offset = matrix[:, :3, :3], matrix[:, :3, 3:]
        channels = images.flatten(2).expand(-1, 3, -1)
        changed = linear @ channels + offset
        if images.shape[1] == 1:
            changed = changed.mean(1, keepdim=True)
        return torch.where(is_identity(matrix), images, changed.view_as(images))


def _times(factors: Tensor, matrix: Tensor) -> Tensor:
    return factors[:, None, None] * matrix


def _plus(factors: Tensor, matrix: Tensor) -> Tensor:
    """The identity plus multiples (N,) of a matrix (4, 4)."""
    return torch.eye(4, dtype=matrix.dtype, device=matrix.device) + _times(factors, matrix)
