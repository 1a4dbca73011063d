"""Stopping a run cleanly, at a signal or after a time, and the clock of its training time."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cganzoo.console.reporter import Progress, Stage


class Interrupted(Exception):  # noqa: N818 (not an error)
    """A signal came during scoring; the resumed run scores again."""


@dataclass
class Stop:
    """A request that the training loop ends after the current step, because of a signal or a time limit."""

    deadline: float = float("inf")  # on the monotonic clock, in seconds
    signal: int | None = None  # number of the signal that came

    @classmethod
    def after(cls, seconds: float | None) -> Stop:
        """Return a ``Stop`` with a time limit; ``None`` means no limit."""
        return cls() if seconds is None else cls(time.monotonic() + seconds)

    @property
    def requested(self) -> bool:
        """Whether a signal came or the time is over."""
        return self.signal is not None or time.monotonic() >= self.deadline

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Let the first SIGINT or SIGTERM end the run cleanly; a second one acts at once."""

        def note(number: int, frame: object) -> None:
            self.signal = number
            signal.signal(number, previous[signal.Signals(number)])

        previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in previous:
            signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def interrupting(self, stage: Stage) -> Stage:
        """``stage`` with a progress callback that raises :class:`Interrupted` soon after a signal came.

        A time limit does not interrupt: if scoring took longer than the limit, the run would never finish.
        """

        @contextmanager
        def interruptible(what: str) -> Iterator[Progress]:
            with stage(what) as show:

                def progress(done: int, total: int) -> None:
                    show(done, total)
                    if self.signal is not None:
                        raise Interrupted

                yield progress

        return interruptible


class Clock:
    """Seconds of training, without scoring and saving. ``spent`` is the training time of earlier calls."""

    def __init__(self, spent: float) -> None:
        self._zero = time.monotonic() - spent
        self._stopped_at: float | None = None

    @property
    def seconds(self) -> float:
        """Training time until now."""
        return (self._stopped_at or time.monotonic()) - self._zero

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Time inside the block does not count."""
        self._stopped_at = time.monotonic()
        try:
            yield
        finally:
            self._zero += time.monotonic() - self._stopped_at
            self._stopped_at = None
