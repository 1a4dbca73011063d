"""Reference of R3GAN: the formula of the paper, one pair at a time; the tests compare ``loss.py`` with it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo.objective import Batch

from .config import R3GANConfig

Heads = Mapping[str, Tensor]


def f(t: Tensor) -> Tensor:
    """f(t) = log(1 + e^t): large if t is large."""
    return torch.log1p(torch.exp(t))


def scores(batch: Batch, heads: Heads) -> list[Tensor]:
    """D(x, y) = <e_y, phi(x)> of each sample."""
    return [
        sum(e * h for e, h in zip(heads["embedding.weight"][y], x, strict=True))
        for x, y in zip(batch.features, batch.labels.tolist(), strict=True)
    ]


def pairs(higher: Batch, lower: Batch, heads: Heads) -> Tensor:
    """The mean of f(D(lower) - D(higher)) over pairs: small if each sample of ``higher`` has the higher score."""
    both = zip(scores(higher, heads), scores(lower, heads), strict=True)
    return torch.stack([f(low - high) for high, low in both]).mean()


def discriminator_loss(heads: Heads, real: Batch, fake: Batch, config: R3GANConfig) -> dict[str, Tensor]:
    """Real images above fakes of their classes."""
    return {"relativistic": pairs(real, fake, heads)}


def generator_loss(heads: Heads, fake: Batch, config: R3GANConfig, real: Batch | None = None) -> dict[str, Tensor]:
    """Fakes above real images of their classes."""
    assert real is not None
    return {"relativistic": pairs(fake, real, heads)}
