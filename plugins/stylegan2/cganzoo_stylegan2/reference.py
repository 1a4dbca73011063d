"""Reference of the loss ``stylegan2``: the formulas, one sample at a time; the tests compare ``loss.py`` with it."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import torch
from torch import Tensor

from cganzoo.objective import Batch
from cganzoo.testing.adversarial import naive_fake, naive_generator, naive_real

from .config import StyleGAN2LossConfig

Heads = Mapping[str, Tensor]


def linear(heads: Heads, name: str, x: Tensor, lr_factor: float = 1.0) -> Tensor:
    """An equalised linear layer: stored weights and biases times the factor, and weights divided by sqrt(inputs)."""
    rows = heads[f"{name}.weight"] * lr_factor / sqrt(len(x))
    return rows @ x + lr_factor * heads[f"{name}.bias"]


def mapped_class(heads: Heads, y: int, config: StyleGAN2LossConfig) -> Tensor:
    """m(y): the embedding of the class with mean square 1, then linear layers with a hundredth of the learning rate."""
    one_hot = torch.zeros_like(heads["embedding.weight"][0])
    one_hot[y] = 1
    x = linear(heads, "embedding", one_hot)
    x = x / torch.sqrt((x * x).mean() + 1e-8)
    for layer in range(config.mapping_layers):
        x = linear(heads, f"mapping.{2 * layer}", x, lr_factor=0.01)
        x = sqrt(2) * torch.where(x > 0, x, 0.2 * x)
    return x


def scores(batch: Batch, heads: Heads, config: StyleGAN2LossConfig) -> list[Tensor]:
    """s(x, y) = <m(y), psi(phi(x))> / sqrt(E) of each sample."""
    return [
        mapped_class(heads, y, config) @ linear(heads, "psi", phi) / sqrt(config.embedding_dim)
        for phi, y in zip(batch.features, batch.labels.tolist(), strict=True)
    ]


def discriminator_loss(heads: Heads, real: Batch, fake: Batch, config: StyleGAN2LossConfig) -> dict[str, Tensor]:
    """With the logistic loss: E_data[log(1 + e^-s)] + E_G[log(1 + e^s)]."""
    rule = config.adversarial
    return {
        "real": naive_real(rule, scores(real, heads, config)),
        "fake": naive_fake(rule, scores(fake, heads, config)),
    }


def generator_loss(
    heads: Heads, fake: Batch, config: StyleGAN2LossConfig, real: Batch | None = None
) -> dict[str, Tensor]:
    """With the logistic loss: E_G[log(1 + e^-s)]."""
    return {"adversarial": naive_generator(config.adversarial, scores(fake, heads, config))}
