"""The adversarial rules written naively, one score at a time, for the references of losses that use them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cganzoo.config import AdversarialRule


def naive_real(rule: AdversarialRule, scores: Sequence[Tensor]) -> Tensor:
    """The discriminator's loss on real samples: scores, a scalar each, to a scalar."""
    if rule == "hinge":
        losses = [torch.clamp(1 - s, min=0) for s in scores]
    elif rule == "logistic":
        losses = [-torch.log(1 / (1 + torch.exp(-s))) for s in scores]
    elif rule == "least_squares":
        losses = [(s - 1) ** 2 / 2 for s in scores]
    else:
        losses = [-s for s in scores]
    return torch.stack(losses).mean()


def naive_fake(rule: AdversarialRule, scores: Sequence[Tensor]) -> Tensor:
    """The discriminator's loss on fakes: scores, a scalar each, to a scalar."""
    if rule == "hinge":
        losses = [torch.clamp(1 + s, min=0) for s in scores]
    elif rule == "logistic":
        losses = [-torch.log(1 - 1 / (1 + torch.exp(-s))) for s in scores]
    elif rule == "least_squares":
        losses = [s**2 / 2 for s in scores]
    else:
        losses = list(scores)
    return torch.stack(losses).mean()


def naive_generator(rule: AdversarialRule, scores: Sequence[Tensor]) -> Tensor:
    """The generator's loss: scores of its samples, a scalar each, to a scalar."""
    return naive_real(rule, scores) if rule in ("logistic", "least_squares") else -torch.stack(list(scores)).mean()
