"""Reference of ProjGAN: the formulas, one sample at a time; the tests compare ``loss.py`` with it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from cganzoo import value_at
from cganzoo.objective import Batch
from cganzoo.testing.adversarial import naive_fake, naive_generator, naive_real

from .config import ProjGANConfig

Heads = Mapping[str, Tensor]


def scores(batch: Batch, heads: Heads, config: ProjGANConfig) -> list[Tensor]:
    """f(x, y) = y^T V phi(x) + psi(phi(x)), with V the class embeddings and psi linear; the first term has a weight."""
    weight = value_at(config.class_weight, 0, 1)
    result = []
    for phi, y in zip(batch.features, batch.labels.tolist(), strict=True):
        psi = heads["psi.weight"][0] @ phi + heads["psi.bias"][0]
        result.append(weight * (heads["embedding.weight"][y] @ phi) + psi)
    return result


def discriminator_loss(heads: Heads, real: Batch, fake: Batch, config: ProjGANConfig) -> dict[str, Tensor]:
    """With the hinge loss: E_data[max(0, 1 - f)] + E_G[max(0, 1 + f)]."""
    rule = config.adversarial
    return {
        "real": naive_real(rule, scores(real, heads, config)),
        "fake": naive_fake(rule, scores(fake, heads, config)),
    }


def generator_loss(heads: Heads, fake: Batch, config: ProjGANConfig, real: Batch | None = None) -> dict[str, Tensor]:
    """With the hinge loss: -E_G[f]."""
    return {"adversarial": naive_generator(config.adversarial, scores(fake, heads, config))}
