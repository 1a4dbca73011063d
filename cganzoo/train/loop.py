"""The one loop: every method trains here, and nothing here knows which one it is."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

from cganzoo.console.reporter import Reporter
from cganzoo.logger import Logger
from cganzoo.recipe.read import Train
from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder

from .engine import Engine


class Interrupted(Exception):  # noqa: N818 (not an error)
    """A signal came while samples were scored; they are scored when the run goes on."""


Stage = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
"""Announces a piece of work and gives its progress callback: :meth:`~cganzoo.console.reporter.Reporter.stage`."""


@dataclass
class Stop:
    """Asks the loop to end after the step it is in: a signal, or a time limit.

    Attributes:
        deadline: on the monotonic clock, in seconds.
        signal: the signal that came.
    """

    deadline: float = float("inf")
    signal: int | None = None

    @classmethod
    def after(cls, seconds: float | None) -> Stop:
        """Stop after a time, or never."""
        return cls() if seconds is None else cls(time.monotonic() + seconds)

    def __bool__(self) -> bool:
        return self.signal is not None or time.monotonic() >= self.deadline

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Let the first interrupt or termination end the run cleanly; a second one acts at once."""

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

    def watching(self, stage: Stage) -> Stage:
        """``stage``, its work ended by :class:`Interrupted` soon after a signal came.

        A time limit does not end it: where scoring takes longer than the limit, the run would never get past it.
        """

        @contextmanager
        def watched(what: str) -> Iterator[Callable[[int, int], None]]:
            with stage(what) as show:

                def progress(done: int, total: int) -> None:
                    show(done, total)
                    if self.signal is not None:
                        raise Interrupted

                yield progress

        return watched


def train(
    engine: Engine,
    folder: RunFolder,
    reporter: Reporter,
    log: Logger,
    stop: Stop,
    *,
    draw: Callable[[], object],
    evaluate: Callable[[], dict[str, float | None]],
    headlines: Sequence[str] = (),
    seconds: float = 0.0,
) -> bool:
    """Step to the end of the plan, or until asked to stop; a checkpoint holds wherever it ends.

    Args:
        engine: at the step to go on from.
        folder: takes the checkpoints.
        reporter: shows the terms and scores.
        log: gets them, too.
        stop: true when the loop is to end early.
        draw: writes a grid of samples.
        evaluate: scores the generator as it is; may raise :class:`Interrupted`.
        headlines: the scores to show on the way; all are kept. Without any, nothing is scored.
        seconds: training time spent before, in runs that were stopped.

    Returns:
        Whether the plan's last step was reached.
    """
    plan: Train = engine.plan
    clock = Clock(seconds)
    logged, logged_step = seconds, engine.step
    saved_step = engine.step

    def look(step: int) -> None:
        """Score and draw the generator, where that is due."""
        if headlines and plan.evaluate_every and step % plan.evaluate_every == 0 and step < plan.steps:
            scores = evaluate()
            log.scores(step, scores)
            display.scores(step, {name: scores[name] for name in headlines})
        if plan.sample_every and step % plan.sample_every == 0 and step < plan.steps:
            draw()

    with reporter.training(engine.step, plan.steps) as display, suppress(Interrupted):
        if engine.step and not any(record["step"] == engine.step and "scores" in record for record in folder.records()):
            with clock.stopped():  # an earlier call saved this step, and was stopped before it was scored
                look(engine.step)
        while engine.step < plan.steps and not stop:
            engine.advance()
            step, last = engine.step, engine.step == plan.steps
            display.step(step)

            if step % plan.log_every == 0 or last:
                terms = engine.mean_terms()  # the one place where the loop waits for the device
                engine.terms.clear()
                now = clock.seconds
                speed = (step - logged_step) * plan.batch_size / (now - logged)
                logged, logged_step = now, step
                log.log(step, terms, images_per_second=speed, seconds=now)
                display.terms(step, terms, speed)

            with clock.stopped():
                if step % plan.checkpoint_every == 0 or last:
                    save(engine, folder, clock.seconds)
                    saved_step = step
                look(step)
    if engine.step > saved_step:
        save(engine, folder, clock.seconds)
    return engine.step >= plan.steps


class Clock:
    """Seconds spent on training; it stands still while samples are scored and files written.

    Args:
        spent: seconds of earlier calls.
    """

    def __init__(self, spent: float) -> None:
        self._zero = time.monotonic() - spent
        self._stopped_at: float | None = None

    @property
    def seconds(self) -> float:
        """Until now."""
        return (self._stopped_at or time.monotonic()) - self._zero

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Time inside does not count."""
        self._stopped_at = time.monotonic()
        try:
            yield
        finally:
            self._zero += time.monotonic() - self._stopped_at
            self._stopped_at = None


def save(engine: Engine, folder: RunFolder, seconds: float) -> None:
    """Write a checkpoint, unless the run has diverged: then the last good one must stay."""
    engine.check_finite()
    checkpoint.save(folder.checkpoints, {**engine.state(), "seconds": seconds}, engine.plan.keep_checkpoints)
    with folder.update_manifest() as manifest:
        manifest.step, manifest.seconds = engine.step, round(seconds, 1)
