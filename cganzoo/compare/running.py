"""Training what is missing of a comparison, one run after another: an interrupt or a failure loses nothing."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import torch

from cganzoo.errors import CganzooError, DivergenceError
from cganzoo.session import Session
from cganzoo.terminal import Reporter
from cganzoo.train import Stop

from .plan import Cell, Plan
from .standing import DIVERGED, FAILED, FINISHED, UNFINISHED, standing

Told = Callable[[Cell, str, str], None]
"""Is told of every change: the run, its state, and a sentence if there is one."""

RUNNING = "running"


@dataclass
class Outcome:
    """How :func:`run_missing` ended.

    Attributes:
        states: of every run.
        errors: one sentence for each run that failed here.
        interrupted: whether Ctrl+C came between two runs, or while one began.
    """

    states: dict[Cell, str]
    errors: dict[Cell, str]
    interrupted: bool = False

    @property
    def complete(self) -> bool:
        """Whether every run came to an end, good or bad."""
        return not self.interrupted and all(state in (FINISHED, DIVERGED, FAILED) for state in self.states.values())


def run_missing(
    plan: Plan,
    states: Mapping[Cell, str],
    device: torch.device,
    stop: Stop,
    reporter_of: Callable[[Cell], Reporter],
    tell: Told,
    *,
    fresh: bool = False,
) -> Outcome:
    """Train every run that is not at its end, in the order of the matrix: first all methods with the first seed.

    A run that fails is told and passed over; a run that diverges is a result.

    Args:
        plan: what is compared.
        states: of the runs, as :func:`~cganzoo.compare.standing.standing` gives them.
        device: where to train.
        stop: shared by all runs, so that one time limit holds for the whole.
        reporter_of: makes what shows a run.
        tell: is told what happens.
        fresh: start every run over.
    """
    outcome = Outcome(dict(states), {})
    waiting = [cell for cell in plan.cells if cell.resolved and states[cell] not in (FINISHED, DIVERGED)]
    # Seed by seed, so that a comparison that is stopped early has all methods in it.
    order = {seed: place for place, seed in enumerate(dict.fromkeys(cell.seed for cell in plan.cells))}
    for cell in sorted(waiting, key=lambda cell: order[cell.seed]):
        if stop:
            break
        tell(cell, RUNNING, "")
        try:
            state, error = _run(cell, device, stop, reporter_of(cell), fresh)
        except KeyboardInterrupt:
            outcome.states[cell], outcome.interrupted = UNFINISHED, True
            tell(cell, UNFINISHED, "interrupted")
            break
        outcome.states[cell] = state
        if state == FAILED:
            outcome.errors[cell] = error
        tell(cell, state, error)
        gc.collect()  # networks hold each other in circles; the next run needs their memory
        torch.compiler.reset()
    return outcome


def _run(cell: Cell, device: torch.device, stop: Stop, reporter: Reporter, fresh: bool) -> tuple[str, str]:
    """Train one run; its state, and what went wrong."""
    assert cell.resolved is not None
    try:
        with cell.folder.claimed():
            reporter.log_file = cell.folder.log_file
            try:
                finished = Session(cell.resolved, cell.folder, reporter, device).run(stop, fresh=fresh)
                return (FINISHED if finished else UNFINISHED), ""
            except DivergenceError as error:
                reporter.log(f"error: {error}")
                return DIVERGED, str(error)
            except (CganzooError, OSError, MemoryError, RuntimeError) as error:
                sentence = str(error) if isinstance(error, CganzooError) else f"{type(error).__name__}: {error}"
                reporter.log(f"error: {sentence}")
                with suppress(CganzooError):  # a full disk is what failed, maybe
                    cell.folder.update_manifest(status=FAILED, error=sentence)
                return FAILED, sentence
    except CganzooError as error:  # another process is in the folder, or it cannot be written
        return FAILED, str(error)


def stand(plan: Plan, *, fresh: bool) -> dict[Cell, str]:
    """How far each run is, before anything is trained.

    Raises:
        RunError: a folder holds another run than the one that is asked for.
    """
    return {cell: standing(cell, fresh=fresh) for cell in plan.cells}
