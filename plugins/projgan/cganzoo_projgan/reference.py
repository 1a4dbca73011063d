"""ProjGAN written naively, one sample at a time, under the hinge rule: what the tests compare with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo.objective import Batch

Heads = Mapping[str, Tensor]


def scores(batch: Batch, heads: Heads) -> list[Tensor]:
    """f(x, y) = y^T V phi(x) + psi(phi(x)), with V the class embeddings and psi linear."""
    result = []
    for phi, y in zip(batch.features, batch.labels.tolist(), strict=True):
        psi = heads["psi.weight"][0] @ phi + heads["psi.bias"][0]
        result.append(heads["embedding.weight"][y] @ phi + psi)
    return result


def discriminator_loss(heads: Heads, real: Batch, fake: Batch) -> dict[str, Tensor]:
    """E_data[max(0, 1 - f)] + E_G[max(0, 1 + f)]."""
    on_real = [torch.clamp(1 - f, min=0) for f in scores(real, heads)]
    on_fake = [torch.clamp(1 + f, min=0) for f in scores(fake, heads)]
    return {"real": torch.stack(on_real).mean(), "fake": torch.stack(on_fake).mean()}


def generator_loss(heads: Heads, fake: Batch) -> dict[str, Tensor]:
    """-E_G[f]."""
    return {"adversarial": -torch.stack(scores(fake, heads)).mean()}
