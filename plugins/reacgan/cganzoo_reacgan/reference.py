"""Reference of ReACGAN: the formulas, one pair at a time; the tests compare ``loss.py`` with it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo import value_at
from cganzoo.objective import Batch
from cganzoo.testing.adversarial import naive_fake, naive_generator, naive_real

from .config import ReACGANConfig

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
    """-1/N sum_i log(pos_i / (pos_i + sum_{j: y_j != y_i} neg_ij)).

    With f and v of unit length, pos_i = exp(min(f_i . v_{y_i} - m_p, 0) / t) and
    neg_ij = exp(max(f_i . f_j - m_n, 0) / t). The released form divides each neg_ij by
    exp(max_{k != i} (f_i . f_k - m_n) / t).
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


def scores(batch: Batch, heads: Heads) -> list[Tensor]:
    """The real/fake logit of each sample."""
    return [(heads["realness.weight"] @ x + heads["realness.bias"])[0] for x in batch.features]


def on_hypersphere(batch: Batch, heads: Heads) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings and proxies of unit length, and labels."""
    embeddings = [heads["embedding.weight"] @ x + heads["embedding.bias"] for x in batch.features]
    proxies = [heads["proxies.weight"][y] for y in batch.labels.tolist()]
    unit = [[v / torch.sqrt((v * v).sum()) for v in vectors] for vectors in (embeddings, proxies)]
    return torch.stack(unit[0]), torch.stack(unit[1]), batch.labels


def weighted(batch: Batch, heads: Heads, config: ReACGANConfig) -> Tensor:
    """The weighted D2D-CE term of a batch; schedules are evaluated at step 0."""
    m_p = value_at(config.margin_positive, 0, 1)
    m_n = 1 - m_p if config.margin_negative is None else value_at(config.margin_negative, 0, 1)
    loss = d2d_ce(*on_hypersphere(batch, heads), m_p, m_n, value_at(config.temperature, 0, 1), config.form)
    return value_at(config.weight, 0, 1) * loss


def discriminator_loss(heads: Heads, real: Batch, fake: Batch, config: ReACGANConfig) -> dict[str, Tensor]:
    """The adversarial loss, and D2D-CE on real samples."""
    return {
        "real": naive_real(config.adversarial, scores(real, heads)),
        "fake": naive_fake(config.adversarial, scores(fake, heads)),
        "d2d_ce_real": weighted(real, heads, config),
    }


def generator_loss(heads: Heads, fake: Batch, config: ReACGANConfig, real: Batch | None = None) -> dict[str, Tensor]:
    """The adversarial loss, and D2D-CE on fakes."""
    return {
        "adversarial": naive_generator(config.adversarial, scores(fake, heads)),
        "d2d_ce_fake": weighted(fake, heads, config),
    }
