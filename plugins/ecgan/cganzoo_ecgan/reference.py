"""ECGAN written naively, one sample at a time, under the hinge rule: what the tests compare with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from cganzoo.objective import Batch

Heads = Mapping[str, Tensor]


class Weights(NamedTuple):
    """The paper's scalars, and whether losses (the paper) or logits (the released code) are added."""

    alpha: float
    lambda_clf: float
    lambda_c: float
    temperature: float = 1.0
    combine: str = "losses"


def logits(batch: Batch, heads: Heads) -> list[Tensor]:
    """f(x) of each sample: K numbers."""
    return [heads["logits.weight"] @ x + heads["logits.bias"] for x in batch.features]


def energy(f: Tensor) -> Tensor:
    """h(x) = log sum_y exp f(x)[y]."""
    return torch.log(torch.exp(f).sum())


def scores(batch: Batch, heads: Heads, weights: Weights) -> list[Tensor]:
    """f(x)[y], or the released code's f(x)[y] + alpha h(x)."""
    pairs = zip(logits(batch, heads), batch.labels.tolist(), strict=True)
    return [f[y] + weights.alpha * energy(f) if weights.combine == "logits" else f[y] for f, y in pairs]


def hinge(values: list[Tensor], sign: int) -> Tensor:
    """E[max(0, 1 - s)] for real samples (sign 1), E[max(0, 1 + s)] for fakes (sign -1)."""
    return torch.stack([torch.clamp(1 - sign * value, min=0) for value in values]).mean()


def contrastive(batch: Batch, heads: Heads, temperature: float) -> Tensor:
    """L_C: each sample against its proxy, its class and everything else (arXiv:2006.12681, eq. 8)."""
    labels = batch.labels.tolist()
    embeddings = [heads["embedding.weight"] @ x + heads["embedding.bias"] for x in batch.features]
    embeddings = [e / torch.sqrt((e * e).sum()) for e in embeddings]
    losses = []
    for i, y in enumerate(labels):
        proxy = heads["proxies.weight"][y] / torch.sqrt((heads["proxies.weight"][y] ** 2).sum())
        numerator = denominator = torch.exp(embeddings[i] @ proxy / temperature)
        for j in range(len(labels)):
            if j != i:
                affinity = torch.exp(embeddings[i] @ embeddings[j] / temperature)
                denominator = denominator + affinity
                numerator = numerator + (affinity if labels[j] == y else 0)
        losses.append(-torch.log(numerator / denominator))
    return torch.stack(losses).mean()


def discriminator_loss(heads: Heads, real: Batch, fake: Batch, weights: Weights) -> dict[str, Tensor]:
    """L_D = L_d1 + alpha L_d2 + lambda_clf L_clf + lambda_c L_C(real), L_d1 and L_d2 through the hinge."""
    terms = {"real": hinge(scores(real, heads, weights), 1), "fake": hinge(scores(fake, heads, weights), -1)}
    if weights.combine == "losses":
        terms["unconditional_real"] = weights.alpha * hinge([energy(f) for f in logits(real, heads)], 1)
        terms["unconditional_fake"] = weights.alpha * hinge([energy(f) for f in logits(fake, heads)], -1)
    pairs = zip(logits(real, heads), real.labels.tolist(), strict=True)
    classifier = [-torch.log(torch.exp(f[y]) / torch.exp(f).sum()) for f, y in pairs]
    terms["class_real"] = weights.lambda_clf * torch.stack(classifier).mean()
    if weights.lambda_c != 0:
        terms["contrastive_real"] = weights.lambda_c * contrastive(real, heads, weights.temperature)
    return terms


def generator_loss(heads: Heads, fake: Batch, weights: Weights) -> dict[str, Tensor]:
    """L_G = L_g1 + alpha L_g2 + lambda_c L_C(fake)."""
    terms = {"adversarial": -torch.stack(scores(fake, heads, weights)).mean()}
    if weights.combine == "losses":
        terms["unconditional"] = -weights.alpha * torch.stack([energy(f) for f in logits(fake, heads)]).mean()
    if weights.lambda_c != 0:
        terms["contrastive_fake"] = weights.lambda_c * contrastive(fake, heads, weights.temperature)
    return terms
