"""A stop that is requested by a signal or a time limit, and the clock of the training time."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from cganzoo.train.stop import Clock, Interrupted, Stop


@contextmanager
def stage(what: str) -> Iterator[Callable[[int, int], None]]:
    yield lambda done, total: None


def test_a_stop_is_requested_by_a_signal_or_when_the_time_is_over() -> None:
    assert not Stop().requested
    assert not Stop.after(None).requested
    assert not Stop.after(60.0).requested
    assert Stop.after(0.0).requested
    assert Stop(signal=signal.SIGTERM).requested


def test_only_a_signal_interrupts_scoring() -> None:
    stop = Stop(deadline=0.0)
    with stop.interrupting(stage)("scoring") as progress:
        progress(1, 1)
    stop.signal = signal.SIGTERM
    with pytest.raises(Interrupted), stop.interrupting(stage)("scoring") as progress:
        progress(1, 1)


def test_the_first_signal_is_noted_and_the_second_one_acts_at_once() -> None:
    stop, before = Stop(), signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with stop.on_signals():
            signal.raise_signal(signal.SIGINT)
            assert stop.signal == signal.SIGINT
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_clock_does_not_count_stopped_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    clock = Clock(spent=5.0)
    now = 103.0
    with clock.stopped():
        now = 110.0
        assert clock.seconds == 8.0
    now = 111.0
    assert clock.seconds == 9.0
