"""The training loop, the same for every method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from cganzoo.console.reporter import Reporter
from cganzoo.logger import Logger
from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder

from .engine import Engine
from .stop import Clock, Interrupted, Stop
from .watch import Watch


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
    """Train to the last step, or until a stop is requested, and save a checkpoint of the last step taken.

    Returns whether the last step was reached.

    Args:
        draw: writes a grid of samples.
        evaluate: scores the current generator; may raise :class:`Interrupted`.
        headlines: names of the scores to show; all are kept. If empty, nothing is scored.
        seconds: training time of earlier calls.
    """
    settings = engine.settings
    clock, watch = Clock(seconds), Watch(engine.device, engine.step)
    logged, logged_step = seconds, engine.step
    saved_step = engine.step

    def keep() -> None:
        """Save a checkpoint of this step, if there is none."""
        nonlocal saved_step
        if engine.step > saved_step:
            save(engine, folder, clock.seconds)
            saved_step = engine.step

    def score_and_draw(step: int) -> None:
        """Score the generator and draw samples at the steps at which that is due."""
        if step == settings.steps:
            return
        if headlines and settings.evaluate_every and step % settings.evaluate_every == 0:
            keep()  # whatever happens in the evaluation, no step is lost
            scores = evaluate()
            log.scores(step, scores)
            display.scores(step, {name: scores[name] for name in headlines})
        if settings.sample_every and step % settings.sample_every == 0:
            draw()

    with reporter.training(engine.step, settings.steps) as display, suppress(Interrupted):
        if engine.step and not any(record["step"] == engine.step and "scores" in record for record in folder.records()):
            with clock.stopped():  # an earlier call saved this step and was stopped before it scored it
                score_and_draw(engine.step)
        while engine.step < settings.steps and not stop.requested:
            engine.advance()
            step, last = engine.step, engine.step == settings.steps
            display.step(step)

            if step % settings.log_every == 0 or last:
                terms = engine.mean_terms()  # the one place where the loop waits for the device
                engine.terms.clear()
                now = clock.seconds
                speed = (step - logged_step) * settings.batch_size / (now - logged)
                logged, logged_step = now, step
                log.log(step, terms, images_per_second=speed, seconds=now)
                display.terms(step, terms, speed)
                watch.step = step
            elif watch.is_due(step):
                losses = watch.look(engine.newest_terms(step - watch.step), step)
                if losses is not None:
                    engine.check_terms(losses.terms)
                    speed = (step - logged_step) * settings.batch_size / (clock.seconds - logged)
                    display.terms(losses.step, losses.terms, speed)

            with clock.stopped():
                if step % settings.checkpoint_every == 0 or last:
                    keep()
                score_and_draw(step)
    keep()
    return engine.step >= settings.steps


def save(engine: Engine, folder: RunFolder, seconds: float) -> None:
    """Write a checkpoint, unless the run has diverged: the last good checkpoint must stay."""
    engine.check_finite()
    checkpoint.save(folder.checkpoints, {**engine.state(), "seconds": seconds}, engine.settings.keep_checkpoints)
    with folder.update_manifest() as manifest:
        manifest.step, manifest.seconds = engine.step, round(seconds, 1)
