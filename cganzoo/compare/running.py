"""Training what is missing of a comparison, one run after another: an interrupt or a failure loses nothing."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import torch

from cganzoo.console.reporter import Reporter
from cganzoo.errors import CganzooError, DivergenceError
from cganzoo.runs.folder import BusyError
from cganzoo.session.run import Session
from cganzoo.train.stop import Stop

from .plan import Cell, Plan, State

Told = Callable[[Cell, State | Literal["running"], str], None]
"""Is told of every change: the run, its state, and a sentence if there is one."""


@dataclass
class Outcome:
    """How :func:`run_missing` ended.

    Attributes:
        states: of every run.
        errors: one sentence for each run that failed here, or that another process is in.
        interrupted: whether Ctrl+C came between two runs, or while one began.
    """

    states: dict[Cell, State]
    errors: dict[Cell, str]
    interrupted: bool = False

    @property
    def complete(self) -> bool:
        """Whether every run came to an end, good or bad."""
        return all(state in ("finished", "diverged", "failed") for state in self.states.values())


def run_missing(
    plan: Plan,
    states: Mapping[Cell, State],
    device: torch.device,
    stop: Stop,
    reporter_of: Callable[[Cell], Reporter],
    tell: Told,
    *,
    fresh: bool = False,
    damaged: Mapping[Cell, str] | None = None,
) -> Outcome:
    """Train every run that is not at its end, in the order of the matrix: first all methods with the first seed.

    A run that fails is told and passed over; a run that diverges is a result.

    Args:
        plan: what is compared.
        states: of the runs, as :func:`~cganzoo.compare.standing.standings` gives them.
        device: where to train.
        stop: shared by all runs, so that one time limit holds for the whole.
        reporter_of: makes what shows a run.
        tell: is told what happens.
        fresh: start every run over.
        damaged: a sentence for each run whose folder cannot be understood; it is left as it is.
    """
    outcome = Outcome(dict(states), dict(damaged or {}))
    for cell, sentence in outcome.errors.items():
        tell(cell, "failed", sentence)
    waiting = [
        cell
        for cell in plan.cells
        if cell.resolved and cell not in outcome.errors and states[cell] not in ("finished", "diverged")
    ]
    # Seed by seed, so that a comparison that is stopped early has all methods in it.
    order = {seed: place for place, seed in enumerate(dict.fromkeys(cell.seed for cell in plan.cells))}
    for cell in sorted(waiting, key=lambda cell: order[cell.seed]):
        if stop.requested:
            break
        try:
            tell(cell, "running", "")
            state, error = _run(cell, device, stop, reporter_of(cell), fresh)
            outcome.states[cell] = state
            if error and state != "diverged":
                outcome.errors[cell] = error
            tell(cell, state, error)
            gc.collect()  # networks hold each other in circles; the next run needs their memory
            torch.compiler.reset()
        except KeyboardInterrupt:
            if outcome.states[cell] == states[cell]:
                outcome.states[cell] = "unfinished"
            outcome.interrupted = True
            break
    return outcome


def _run(cell: Cell, device: torch.device, stop: Stop, reporter: Reporter, fresh: bool) -> tuple[State, str]:
    """Train one run; its state, and what went wrong."""
    assert cell.resolved is not None
    try:
        with cell.folder.claimed():
            reporter.log_file = cell.folder.log_file
            try:
                finished = Session(cell.resolved, cell.folder, reporter, device).run(stop, fresh=fresh)
                return ("finished" if finished else "unfinished"), ""
            except DivergenceError as error:
                reporter.log(f"error: {error}")
                return "diverged", str(error)
            except Exception as error:  # a plugin may raise anything, and the other runs do not care
                known = isinstance(error, CganzooError)
                sentence = str(error) if known else f"{type(error).__name__}: {error} ({cell.folder.log_file})"
                reporter.log(f"error: {sentence}" if known else traceback.format_exc())
                with suppress(CganzooError), cell.folder.update_manifest() as manifest:  # maybe the disk is full
                    manifest.status, manifest.error = "failed", sentence
                return "failed", sentence
    except BusyError as error:
        return "unfinished", str(error)
    except CganzooError as error:  # the folder cannot be written
        return "failed", str(error)
