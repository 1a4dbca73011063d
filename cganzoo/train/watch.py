"""Looks at the losses and the samples of a run, so that a divergence is noticed soon; the loop never waits for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cganzoo.errors import DivergenceError
from cganzoo.images.sampling import samples
from cganzoo.networks import Generator

LOOK_EVERY = 50
"""Steps between two looks at the losses, if the log does not look at them earlier."""

FIRST_LOOK = 10
"""Steps of a call before the first look, so that a loss is shown soon."""

EXTREME = 1e10
"""A loss above it is a divergence, although it is finite: float32 has eight digits, which leave no loss to minimise."""

SAMPLES = 64  # images that are looked at after the last step


class Losses(NamedTuple):
    """Mean of each loss term by name over the steps that end at ``step``."""

    step: int
    terms: dict[str, float]


def problem(terms: Mapping[str, float]) -> str | None:
    """The name of the first term that no training recovers from; ``None`` if all are sound."""
    return next((name for name, value in terms.items() if not abs(value) <= EXTREME), None)


def first_bad(values: Sequence[Tensor], step: int, updates: int, every: int = 1) -> int | None:
    """The generator step of the first value of a loss term that is not finite. Waits for the device.

    ``values`` are those of each ``every``-th update, the newest last; each of the ``step`` steps had ``updates``.
    """
    bad = torch.stack(list(values)).isfinite().logical_not().nonzero()
    if not len(bad):
        return None
    newest = (step * updates - 1) // every
    return (newest - (len(values) - 1 - int(bad[0]))) * every // updates + 1


class Watch:
    """Copies mean losses to the host while the device works.

    On a GPU, :meth:`look` starts a copy and returns the numbers of an earlier look, which have arrived by then.

    Attributes:
        step: of the last look, or of the last log record if that is later.
    """

    def __init__(self, device: torch.device, step: int) -> None:
        self._device, self._start, self.step = device, step, step
        self._waiting: tuple[int, list[str], Tensor, torch.cuda.Event | None] | None = None

    def is_due(self, step: int) -> bool:
        """Whether to look after ``step``."""
        return step - self.step >= LOOK_EVERY or step - self._start == FIRST_LOOK

    def look(self, terms: Mapping[str, Sequence[Tensor]], step: int) -> Losses | None:
        """The means of ``terms``, or those of an earlier look; ``None`` if none has arrived. Does not wait.

        ``terms`` are the values of each loss term since :attr:`step`, on the device.
        """
        self.step = step
        arrived = self._arrived()
        if self._waiting is None:
            self._start_copy(step, {name: torch.stack(list(values)).mean() for name, values in terms.items()})
        return arrived or self._arrived()

    def _start_copy(self, step: int, means: Mapping[str, Tensor]) -> None:
        if not means:
            return
        values = torch.stack([mean.float() for mean in means.values()])
        event = None
        if self._device.type == "cuda":
            values = torch.empty(values.shape, pin_memory=True).copy_(values, non_blocking=True)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(torch.cuda.current_stream(self._device))
        self._waiting = step, list(means), values, event

    def _arrived(self) -> Losses | None:
        if self._waiting is None:
            return None
        step, names, values, event = self._waiting
        if event is not None and not event.query():  # type: ignore[no-untyped-call]
            return None
        self._waiting = None
        return Losses(step, dict(zip(names, values.tolist(), strict=True)))


def check_samples(ready: Generator, num_classes: int, seed: int) -> str:
    """Look at a few samples of the last step's generator, which is ready to sample; returns a warning, or "".

    Raises:
        DivergenceError: an image is not finite.
    """
    images, _ = next(samples(ready, SAMPLES, SAMPLES, num_classes, seed=seed))
    if not images.isfinite().all():
        raise DivergenceError("training diverged: the generator of the last step makes images that are not finite")
    if (images.amax(0) - images.amin(0)).max() < 1 / 127.5:
        return f"all of {SAMPLES} samples are the same image: the generator has collapsed"
    return ""
