"""Reference of ECGAN: the formulas, one sample at a time; the tests compare ``loss.py`` with it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo import value_at
from cganzoo.objective import Batch
from cganzoo.testing.adversarial import naive_fake, naive_generator, naive_real

from .config import ECGANConfig

Heads = Mapping[str, Tensor]


def logits(batch: Batch, heads: Heads) -> list[Tensor]:
    """f(x) of each sample, (K,)."""
    return [heads["logits.weight"] @ x + heads["logits.bias"] for x in batch.features]


def energy(f: Tensor) -> Tensor:
    """h(x) = log sum_y exp f(x)[y]."""
    return torch.log(torch.exp(f).sum())


def energies(batch: Batch, heads: Heads) -> list[Tensor]:
    """h(x) of each sample."""
    return [energy(f) for f in logits(batch, heads)]


def scores(batch: Batch, heads: Heads, config: ECGANConfig) -> list[Tensor]:
    """f(x)[y] or, as in the released code, f(x)[y] + alpha h(x)."""
    alpha = value_at(config.alpha, 0, 1)
    pairs = zip(logits(batch, heads), batch.labels.tolist(), strict=True)
    return [f[y] + alpha * energy(f) if config.combine == "logits" else f[y] for f, y in pairs]


def contrastive(batch: Batch, heads: Heads, temperature: float) -> Tensor:
    """L_C (arXiv:2006.12681, eq. 8): compares each sample with its proxy, its class and all other samples."""
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


def discriminator_loss(heads: Heads, real: Batch, fake: Batch, config: ECGANConfig) -> dict[str, Tensor]:
    """L_D = L_d1 + alpha L_d2 + lambda_clf L_clf + lambda_c L_C(real); schedules are evaluated at step 0."""
    rule, alpha, lambda_c = config.adversarial, value_at(config.alpha, 0, 1), value_at(config.lambda_c, 0, 1)
    terms = {
        "real": naive_real(rule, scores(real, heads, config)),
        "fake": naive_fake(rule, scores(fake, heads, config)),
    }
    if config.combine == "losses":
        terms["unconditional_real"] = alpha * naive_real(rule, energies(real, heads))
        terms["unconditional_fake"] = alpha * naive_fake(rule, energies(fake, heads))
    pairs = zip(logits(real, heads), real.labels.tolist(), strict=True)
    classifier = [-torch.log(torch.exp(f[y]) / torch.exp(f).sum()) for f, y in pairs]
    terms["class_real"] = value_at(config.lambda_clf, 0, 1) * torch.stack(classifier).mean()
    if lambda_c != 0:
        terms["contrastive_real"] = lambda_c * contrastive(real, heads, value_at(config.temperature, 0, 1))
    return terms


def generator_loss(heads: Heads, fake: Batch, config: ECGANConfig, real: Batch | None = None) -> dict[str, Tensor]:
    """L_G = L_g1 + alpha L_g2 + lambda_c L_C(fake); schedules are evaluated at step 0."""
    rule, alpha, lambda_c = config.adversarial, value_at(config.alpha, 0, 1), value_at(config.lambda_c, 0, 1)
    terms = {"adversarial": naive_generator(rule, scores(fake, heads, config))}
    if config.combine == "losses":
        terms["unconditional"] = alpha * naive_generator(rule, energies(fake, heads))
    if lambda_c != 0:
        terms["contrastive_fake"] = lambda_c * contrastive(fake, heads, value_at(config.temperature, 0, 1))
    return terms
