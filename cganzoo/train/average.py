"""The average of a generator's weights over the training."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from cganzoo.config import value_at
from cganzoo.networks import Generator
from cganzoo.recipe.keys import Train


class Average:
    """Another generator, with ``decay * average + (1 - decay) * weights`` of a trained generator's parameters.

    Until step ``start`` it is a copy, so that it forgets the initial weights; with a decay of 0, always.
    """

    def __init__(self, generator: Generator, start: int = 0) -> None:
        self.generator = copy.deepcopy(generator).requires_grad_(False)
        self._start = start
        self._averaged: list[Tensor] = list(self.generator.parameters())
        self._trained: list[Tensor] = list(generator.parameters())
        self._source = generator

    @torch.no_grad()
    def update(self, step: int, decay: float) -> None:
        """Update with the parameters after ``step`` (1-based) generator steps."""
        if step <= self._start:
            torch._foreach_copy_(self._averaged, self._trained)
        else:
            get_ema_multi_avg_fn(decay)(self._averaged, self._trained, 0)  # type: ignore[no-untyped-call]

    def sync_buffers(self) -> None:
        """Copy the buffers, which are not averaged. Needed before the average is used or saved."""
        for mine, theirs in zip(self.generator.buffers(), self._source.buffers(), strict=True):
            mine.copy_(theirs)


def decay_at(settings: Train, step: int) -> float:
    """The decay of the average at ``step`` (0-based): that of the recipe, or that which its half-life gives."""
    if settings.ema_half_life is None:
        return value_at(settings.ema_decay, step, settings.schedule_steps)
    return float(0.5 ** (settings.batch_size / value_at(settings.ema_half_life, step, settings.schedule_steps)))
