"""Reference of AM-GAN: the formulas of the paper, one sample at a time; the tests compare ``loss.py`` with it.

Indices start at 0, so the paper's class K + 1 (fake) is index K.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo.objective import Batch

from .config import AMGANConfig

Heads = Mapping[str, Tensor]


def softmax(x: Tensor, heads: Heads) -> Tensor:
    """D(x): the K + 1 class probabilities of one feature vector (D,)."""
    powers = torch.exp(heads["logits.weight"] @ x + heads["logits.bias"])
    return powers / powers.sum()


def cross_entropy(target: Tensor, prediction: Tensor) -> Tensor:
    """H(p, q) = -sum_i p_i log q_i."""
    return -(target * torch.log(prediction)).sum()


def v(y: int, like: Tensor) -> Tensor:
    """v(y): the one-hot vector of class y, of the length of ``like``."""
    one_hot = torch.zeros_like(like)
    one_hot[y] = 1
    return one_hot


def discriminator_loss(heads: Heads, real: Batch, fake: Batch, config: AMGANConfig) -> dict[str, Tensor]:
    """Eq. 15: E_data H(v(y), D(x)) + E_G H(v(K + 1), D(x))."""
    on_real, on_fake = [], []
    for x, y in zip(real.features, real.labels.tolist(), strict=True):
        p = softmax(x, heads)
        on_real.append(cross_entropy(v(y, p), p))
    for x in fake.features:
        p = softmax(x, heads)
        on_fake.append(cross_entropy(v(len(p) - 1, p), p))
    return {"real": torch.stack(on_real).mean(), "fake": torch.stack(on_fake).mean()}


def generator_loss(heads: Heads, fake: Batch, config: AMGANConfig, real: Batch | None = None) -> dict[str, Tensor]:
    """Eq. 14: E_{(x, y) ~ G} H(v(y), D(x)); with dynamic labeling (section 5.1), y = argmax_{k <= K} D_k(x)."""
    losses = []
    for x, y in zip(fake.features, fake.labels.tolist(), strict=True):
        p = softmax(x, heads)
        if config.labeling == "dynamic":
            y = max(range(len(p) - 1), key=lambda k: p[k].item())
        losses.append(cross_entropy(v(y, p), p))
    return {"activation": torch.stack(losses).mean()}
