"""D2D-CE written naively, one pair at a time, and ReACGAN under the hinge rule: what the tests compare with."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo.objective import Batch

Heads = Mapping[str, Tensor]


def d2d_ce(
    embeddings: Tensor,
    proxies: Tensor,
    labels: Tensor,
    margin_positive: float,
    margin_negative: float,
    temperature: float,
    form: str,
) -> Tensor:
    """-1/N sum_i log(pos_i / (pos_i + sum_{j: y_j != y_i} neg_ij)), where, with f and v of unit length.

    pos_i = exp(min(f_i . v_{y_i} - m_p, 0) / t) and neg_ij = exp(max(f_i . f_j - m_n, 0) / t); the released form
    divides each neg_ij by exp(max_{k != i} (f_i . f_k - m_n) / t).
    """
    zero = embeddings.new_zeros(())
    losses = []
    for i in range(len(labels)):
        positive = torch.exp(torch.minimum(embeddings[i] @ proxies[i] - margin_positive, zero) / temperature)
        largest = -math.inf
        for j in range(len(labels)):
            if j != i:
                largest = max(largest, ((embeddings[i] @ embeddings[j] - margin_negative) / temperature).item())
        denominator = positive
        for j in range(len(labels)):
            if labels[j] != labels[i]:
                cosine = embeddings[i] @ embeddings[j]
                negative = torch.exp(torch.maximum(cosine - margin_negative, zero) / temperature)
                denominator = denominator + (negative / math.exp(largest) if form == "released" else negative)
        losses.append(-torch.log(positive / denominator))
    return torch.stack(losses).mean()


def score(x: Tensor, heads: Heads) -> Tensor:
    """The real/fake logit of one feature vector (D,)."""
    return (heads["realness.weight"] @ x + heads["realness.bias"])[0]


def on_hypersphere(batch: Batch, heads: Heads) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings and proxies of unit length, and labels."""
    embeddings = [heads["embedding.weight"] @ x + heads["embedding.bias"] for x in batch.features]
    proxies = [heads["proxies.weight"][y] for y in batch.labels.tolist()]
    unit = [[v / torch.sqrt((v * v).sum()) for v in vectors] for vectors in (embeddings, proxies)]
    return torch.stack(unit[0]), torch.stack(unit[1]), batch.labels


def discriminator_loss(
    heads: Heads, real: Batch, fake: Batch, weight: float, m_p: float, m_n: float, temperature: float, form: str
) -> dict[str, Tensor]:
    """Hinge, and D2D-CE on real samples."""
    on_real = [torch.clamp(1 - score(x, heads), min=0) for x in real.features]
    on_fake = [torch.clamp(1 + score(x, heads), min=0) for x in fake.features]
    return {
        "real": torch.stack(on_real).mean(),
        "fake": torch.stack(on_fake).mean(),
        "d2d_ce_real": weight * d2d_ce(*on_hypersphere(real, heads), m_p, m_n, temperature, form),
    }


def generator_loss(
    heads: Heads, fake: Batch, weight: float, m_p: float, m_n: float, temperature: float, form: str
) -> dict[str, Tensor]:
    """Hinge, and D2D-CE on fakes."""
    return {
        "adversarial": -torch.stack([score(x, heads) for x in fake.features]).mean(),
        "d2d_ce_fake": weight * d2d_ce(*on_hypersphere(fake, heads), m_p, m_n, temperature, form),
    }
