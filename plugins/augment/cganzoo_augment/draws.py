"""The random numbers of the pipeline: one for each sample, and whether a transform is executed for it."""

from __future__ import annotations

import torch
from torch import Tensor


class Draws:
    """Draws from torch's global generator, each of shape (N,), for a batch.

    Args:
        images: of the batch, for its size, type and device.
        p: probability that a transform is executed.
    """

    def __init__(self, images: Tensor, p: float | Tensor) -> None:
        self.p, self.count, self.dtype, self.device = p, len(images), images.dtype, images.device

    def uniform(self, low: float, high: float) -> Tensor:
        """Uniform in [low, high)."""
        return low + (high - low) * self._share()

    def normal(self, deviation: float) -> Tensor:
        """Normal with mean 0."""
        return deviation * torch.randn(self.count, dtype=self.dtype, device=self.device)

    def factor(self, octaves: float) -> Tensor:
        """Log-normal: 2 to the power of a normal number; the paper's Lognormal(0, (octaves ln 2)^2)."""
        return torch.exp2(self.normal(octaves))

    def choice(self, count: int) -> Tensor:
        """A whole number from 0 to count - 1."""
        return (count * self._share()).floor()

    def executed(self, p: float | Tensor | None = None) -> Tensor:
        """True with probability ``p``; that of the batch by default."""
        return self._share() < (self.p if p is None else p)

    def sometimes(self, value: Tensor, otherwise: float, p: float | Tensor | None = None) -> Tensor:
        """The value of a sample for which the transform is executed; ``otherwise``: that which changes nothing."""
        return torch.where(self.executed(p), value, otherwise)

    def _share(self) -> Tensor:
        return torch.rand(self.count, dtype=self.dtype, device=self.device)


def is_identity(matrices: Tensor) -> Tensor:
    """Which matrices (N, K, K) are exactly the identity; (N, 1, 1, 1), to choose between images."""
    identity = torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)
    return (matrices == identity).all(-1).all(-1)[:, None, None, None]
