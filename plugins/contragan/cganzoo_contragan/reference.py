"""ContraGAN written naively, one pair at a time, under the hinge rule: what the tests compare with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo.objective import Batch

Heads = Mapping[str, Tensor]


def score(x: Tensor, heads: Heads) -> Tensor:
    """The real/fake logit of one feature vector (D,)."""
    return (heads["realness.weight"] @ x + heads["realness.bias"])[0]


def contrastive(batch: Batch, heads: Heads, temperature: float) -> Tensor:
    """arXiv:2006.12681, eq. 8: each sample against its proxy, its class and everything else."""
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


def discriminator_loss(heads: Heads, real: Batch, fake: Batch, weight: float, temperature: float) -> dict[str, Tensor]:
    """Hinge, and 2C on real samples."""
    on_real = [torch.clamp(1 - score(x, heads), min=0) for x in real.features]
    on_fake = [torch.clamp(1 + score(x, heads), min=0) for x in fake.features]
    return {
        "real": torch.stack(on_real).mean(),
        "fake": torch.stack(on_fake).mean(),
        "contrastive_real": weight * contrastive(real, heads, temperature),
    }


def generator_loss(heads: Heads, fake: Batch, weight: float, temperature: float) -> dict[str, Tensor]:
    """Hinge, and 2C on fakes."""
    return {
        "adversarial": -torch.stack([score(x, heads) for x in fake.features]).mean(),
        "contrastive_fake": weight * contrastive(fake, heads, temperature),
    }
