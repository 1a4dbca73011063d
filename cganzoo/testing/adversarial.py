"""The adversarial rules written naively, one score at a time, for the references of losses that use them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from cganzoo.config import AdversarialRule

_FORMULAS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {  # of a real, of a fake score
    "hinge": (lambda s: torch.clamp(1 - s, min=0), lambda s: torch.clamp(1 + s, min=0)),
    "logistic": (lambda s: -torch.log(1 / (1 + torch.exp(-s))), lambda s: -torch.log(1 - 1 / (1 + torch.exp(-s)))),
    "least_squares": (lambda s: (s - 1) ** 2 / 2, lambda s: s**2 / 2),
    "wasserstein": (lambda s: -s, lambda s: s),
}


def naive_real(rule: AdversarialRule, scores: Sequence[Tensor]) -> Tensor:
    """The discriminator's loss on real samples: scores, a scalar each, to a scalar."""
    return torch.stack([_FORMULAS[rule][0](score) for score in scores]).mean()


def naive_fake(rule: AdversarialRule, scores: Sequence[Tensor]) -> Tensor:
    """The discriminator's loss on fakes: scores, a scalar each, to a scalar."""
    return torch.stack([_FORMULAS[rule][1](score) for score in scores]).mean()


def naive_generator(rule: AdversarialRule, scores: Sequence[Tensor]) -> Tensor:
    """The generator's loss: scores of its samples, a scalar each, to a scalar."""
    return naive_real(rule, scores) if rule in ("logistic", "least_squares") else -torch.stack(list(scores)).mean()
