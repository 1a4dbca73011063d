"""Bilinear resizing of square images, antialiased, as two products of matrices."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Resize(nn.Module):
    """Images or maps (N, C, S, S) to (N, C, T, T): the values of ``F.interpolate``, bilinear and antialiased.

    Each row and each column of the result is a weighted sum of the input's. The products of matrices have gradients of
    every order, and give the same bits on every run, on GPUs, too.
    """

    weights: Tensor

    def __init__(self, source: int, target: int) -> None:
        super().__init__()
        rows = F.interpolate(torch.eye(source)[None, None], (target, source), mode="bilinear", antialias=True)[0, 0]
        self.register_buffer("weights", rows, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Resize both sides."""
        return self.weights @ images @ self.weights.T


def resize(source: int, target: int) -> nn.Module:
    """:class:`Resize`, or nothing if the sizes are equal."""
    return nn.Identity() if source == target else Resize(source, target)
