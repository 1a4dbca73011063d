"""``cganzoo compare`` from its plan to its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text

from cganzoo import provenance
from cganzoo.errors import CganzooError, RunError
from cganzoo.session import pick_device
from cganzoo.terminal import Reporter
from cganzoo.train import Stop

from . import counting, display, outputs, pictures, view
from .gathering import Comparison, gather
from .plan import Cell, Plan
from .running import Outcome, run_missing, stand


def run(plan: Plan, console: Console, device_name: str, limit: float | None, *, fresh: bool, allow_mixed: bool) -> int:
    """Check, train what is missing, write and show; returns the exit code.

    Args:
        plan: what is compared.
        console: where to show it.
        device_name: where to train.
        limit: seconds for all runs together.
        fresh: start every run over.
        allow_mixed: show scores of different protocols all the same.

    Raises:
        CganzooError: nothing is trained or written then.
    """
    stop = Stop.after(limit)
    device = pick_device(device_name)
    states = stand(plan, fresh=fresh)
    before = gather(plan, states, {}, complete=False)
    _refuse_mixed(before, allow_mixed)
    labels = {method.name: method.label for method in plan.methods}
    outcome = Outcome(dict(states), {})
    if len(plan.methods) > 1:
        counted = counting.parameters(plan, Reporter(console)) if plan.trains else {}
        shown = view.fairness_of(before, counted)
        display.show_fairness(console, shown, labels)
    if plan.trains:
        outcome = _train(plan, states, device, stop, console, fresh)
    comparison = gather(plan, outcome.states, outcome.errors, complete=outcome.complete)
    _refuse_mixed(comparison, allow_mixed)
    told = _write(comparison, console, device, plan.out)
    console.print(Text(f"report: {told}"), soft_wrap=True)
    if outcome.interrupted:
        return 130
    if stop.signal is not None and not outcome.complete:
        return 128 + stop.signal
    return 2 if outcome.errors else 0


def report(plan: Plan, console: Console, device_name: str, file: Path) -> Path:
    """The page of one run.

    Raises:
        CganzooError: the run cannot be read, or the file not written.
    """
    comparison = gather(plan, stand(plan, fresh=False), {}, complete=True)
    if not comparison.runs:
        raise RunError(comparison.unreadable[0].reason)
    found = _complete_view(comparison, console, pick_device(device_name))
    from .page import render  # plotly's script is megabytes

    outputs.save(file, render(found))
    return file


def _train(
    plan: Plan, states: Mapping[Cell, str], device: torch.device, stop: Stop, console: Console, fresh: bool
) -> Outcome:
    matrix = display.Matrix(console, plan, states)
    with matrix.showing():
        return run_missing(plan, states, device, stop, matrix.reporter, matrix.tell, fresh=fresh)


def _refuse_mixed(comparison: Comparison, allowed: bool) -> None:
    if comparison.conflicts and not allowed:
        raise RunError(
            f"{comparison.conflicts[0]}; give them one protocol, or --allow-mixed to see them side by side, marked"
        )


def _write(comparison: Comparison, console: Console, device: torch.device, out: Path) -> Path:
    found = _complete_view(comparison, console, device)
    files = outputs.write(found, out)
    display.show_results(console, found)
    return files[0]


def _complete_view(comparison: Comparison, console: Console, device: torch.device) -> view.View:
    found = view.build(comparison, [provenance.command()])
    try:
        found.update(pictures.draw(comparison, device, Reporter(console).stage))
    except CganzooError as error:  # numbers are worth writing without pictures
        found["warnings"].append(f"No samples are shown: {error}.")
    return found
