"""Reference of LabelGAN: the formulas of arXiv:1703.02000, one sample at a time; the tests compare ``loss.py`` with it.

Indices start at 0, so the paper's class K + 1 (fake) is index K.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo.objective import Batch

from .config import LabelGANConfig

Heads = Mapping[str, Tensor]


def softmax(x: Tensor, heads: Heads) -> Tensor:
    """D(x): the K + 1 class probabilities of one feature vector (D,)."""
    powers = torch.exp(heads["logits.weight"] @ x + heads["logits.bias"])
    return powers / powers.sum()


def discriminator_loss(heads: Heads, real: Batch, fake: Batch, config: LabelGANConfig) -> dict[str, Tensor]:
    """Eq. 4 and 5: E_data[-log D_y(x)] + E_G[-log D_{K+1}(x)]."""
    on_real = [-torch.log(softmax(x, heads)[y]) for x, y in zip(real.features, real.labels.tolist(), strict=True)]
    on_fake = [-torch.log(softmax(x, heads)[-1]) for x in fake.features]
    return {"real": torch.stack(on_real).mean(), "fake": torch.stack(on_fake).mean()}


def generator_loss(heads: Heads, fake: Batch, config: LabelGANConfig, real: Batch | None = None) -> dict[str, Tensor]:
    """Eq. 2: E_G[-log sum_{k <= K} D_k(x)]."""
    losses = [-torch.log(softmax(x, heads)[:-1].sum()) for x in fake.features]
    return {"adversarial": torch.stack(losses).mean()}
