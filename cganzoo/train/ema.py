"""The exponential moving average of the generator, from which samples are drawn."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from cganzoo.networks import Generator


class Average:
    """Another generator, with ``decay * average + (1 - decay) * weights`` of a trained generator's parameters.

    Until step ``start`` it is a copy, so that it forgets the initial weights; with a decay of 0, always.
    """

    def __init__(self, generator: Generator, decay: float, start: int = 0) -> None:
        self.generator = copy.deepcopy(generator).requires_grad_(False)
        self._start = start
        self._averaged: list[Tensor] = list(self.generator.parameters())
        self._trained: list[Tensor] = list(generator.parameters())
        self._source = generator
        self._update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update with the parameters after ``step`` (1-based) generator steps."""
        if step <= self._start:
            torch._foreach_copy_(self._averaged, self._trained)
        else:
            self._update(self._averaged, self._trained, 0)

    def sync_buffers(self) -> None:
        """Copy the buffers, which are not averaged. Needed before the average is used or saved."""
        for mine, theirs in zip(self.generator.buffers(), self._source.buffers(), strict=True):
            mine.copy_(theirs)
