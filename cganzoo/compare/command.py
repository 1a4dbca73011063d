"""``cganzoo compare`` from its plan to its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from rich.console import Console
from rich.text import Text

from cganzoo.console.reporter import Reporter
from cganzoo.errors import RunError
from cganzoo.runs import provenance
from cganzoo.session.device import pick_device
from cganzoo.train.stop import Stop

from . import counting, display, facts, fairness, outputs, samples, view
from .counting import Counted
from .gathering import Comparison, gather
from .plan import Plan
from .running import Outcome, run_missing
from .standing import standings


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
    states, damaged = standings(plan, fresh=fresh)
    before = gather(plan, states, damaged, complete=False)
    _refuse(before.conflicts, allow_mixed)
    if len(plan.methods) > 1:
        waiting = [cell.method for cell in plan.cells if states[cell] not in ("finished", "diverged")]
        counted = counting.count([m for m in plan.methods if m in waiting], Reporter(console))
        _refuse(_image_conflicts(before, counted), allow_mixed)
        labels = {method.name: method.label for method in plan.methods}
        display.show_fairness(console, facts.side_by_side(before, counted), labels)
    outcome = Outcome(states, damaged)
    if plan.trains:
        matrix = display.Matrix(console, plan, states)
        with matrix.showing():
            outcome = run_missing(
                plan, states, device, stop, matrix.reporter, matrix.tell, fresh=fresh, damaged=damaged
            )
    comparison = gather(plan, outcome.states, outcome.errors, complete=outcome.complete)
    _refuse(comparison.conflicts, allow_mixed)
    _write_and_show(comparison, console, device)
    if outcome.interrupted:
        return 130
    if stop.signal is not None and not outcome.complete:
        return 128 + stop.signal
    return 2 if outcome.errors else 0


def report(plan: Plan, console: Console, device_name: str) -> None:
    """The files of one run, written and shown.

    Raises:
        CganzooError: the run cannot be read, or a file not written.
    """
    states, damaged = standings(plan)
    comparison = gather(plan, states, damaged, complete="unfinished" not in states.values())
    if not comparison.runs:
        broken = comparison.unreadable[0]
        raise RunError(f"{broken.path}: {broken.reason}")
    _write_and_show(comparison, console, pick_device(device_name))


def _refuse(conflicts: Sequence[str], allowed: bool) -> None:
    if conflicts and not allowed:
        raise RunError(f"{conflicts[0]}; give them one protocol, or --allow-mixed to see them side by side, marked")


def _image_conflicts(comparison: Comparison, counted: Mapping[str, Counted]) -> list[str]:
    """Recipes say where images lie; what is there, only the images themselves."""
    fingerprints = []
    for method in comparison.methods:
        manifests = [run.manifest.get("data") or {} for run in comparison.of(method)]
        known = [data["fingerprint"] for data in manifests if "fingerprint" in data]
        if method.name in counted:
            known = [counted[method.name].images]
        fingerprints += [(method.label, fingerprint) for fingerprint in known[:1]]
    return fairness.image_conflicts(fingerprints)


def _write_and_show(comparison: Comparison, console: Console, device: torch.device) -> None:
    found = view.build(comparison, provenance.command())
    drawn = samples.draw(comparison, device, Reporter(console).stage)
    found = {**found, **drawn, "warnings": [*found["warnings"], *drawn["undrawn"]]}
    files = outputs.write(found, comparison.plan.out)
    display.show_results(console, found)
    console.print(Text(f"report: {files[0]}"), soft_wrap=True)
