"""Reference of ContraGAN: the formulas, one pair at a time; the tests compare ``loss.py`` with it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo import value_at
from cganzoo.objective import Batch
from cganzoo.testing.adversarial import naive_fake, naive_generator, naive_real

from .config import ContraGANConfig

Heads = Mapping[str, Tensor]


def scores(batch: Batch, heads: Heads) -> list[Tensor]:
    """The real/fake logit of each sample."""
    return [(heads["realness.weight"] @ x + heads["realness.bias"])[0] for x in batch.features]


def contrastive(batch: Batch, heads: Heads, temperature: float) -> Tensor:
    """arXiv:2006.12681, eq. 8: compares each sample with its proxy, its class and all other samples."""
    labels = batch.labels.tolist()
    embeddings = [heads["embedding.weight"] @ x + heads["embedding.bias"] for x in batch.features]
    embeddings = [e / torch.sqrt((e * e).sum()) for e in embeddings]
    proxies = [heads["proxies.weight"][y] for y in labels]
    proxies = [p / torch.sqrt((p * p).sum()) for p in proxies]
    losses = []
    for i in range(len(labels)):
        numerator = denominator = torch.exp(embeddings[i] @ proxies[i] / temperature)
        for j in range(len(labels)):
            if j != i:
                affinity = torch.exp(embeddings[i] @ embeddings[j] / temperature)
                denominator = denominator + affinity
                if labels[j] == labels[i]:
                    numerator = numerator + affinity
        losses.append(-torch.log(numerator / denominator))
    return torch.stack(losses).mean()


def discriminator_loss(heads: Heads, real: Batch, fake: Batch, config: ContraGANConfig) -> dict[str, Tensor]:
    """The adversarial loss, and 2C on real samples; schedules are evaluated at step 0."""
    weight, temperature = value_at(config.weight, 0, 1), value_at(config.temperature, 0, 1)
    return {
        "real": naive_real(config.adversarial, scores(real, heads)),
        "fake": naive_fake(config.adversarial, scores(fake, heads)),
        "contrastive_real": weight * contrastive(real, heads, temperature),
    }


def generator_loss(heads: Heads, fake: Batch, config: ContraGANConfig, real: Batch | None = None) -> dict[str, Tensor]:
    """The adversarial loss, and 2C on fakes; schedules are evaluated at step 0."""
    weight, temperature = value_at(config.weight, 0, 1), value_at(config.temperature, 0, 1)
    return {
        "adversarial": naive_generator(config.adversarial, scores(fake, heads)),
        "contrastive_fake": weight * contrastive(fake, heads, temperature),
    }
