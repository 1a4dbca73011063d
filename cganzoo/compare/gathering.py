"""All runs of a comparison, read and ready to be compared. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import fairness, scores
from .checked import DamagedError
from .plan import Cell, Method, Plan, State, Unreadable
from .reading import Run, read
from .scores import Score


@dataclass(frozen=True, eq=False)
class Comparison:
    """What there is to compare.

    Attributes:
        plan: what was asked for.
        runs: those that could be read, in the order of the matrix.
        errors: one sentence for each run that failed, or that another process is in.
        unreadable: folders that could not be read.
        scores: columns.
        rank_by: the score that methods are ranked by, if any can be.
        conflicts: one sentence for each method that was measured in another way than the first.
        complete: whether every run has come to its end.
    """

    plan: Plan
    runs: tuple[Run, ...]
    errors: Mapping[Cell, str]
    unreadable: tuple[Unreadable, ...]
    scores: tuple[Score, ...]
    rank_by: Score | None
    conflicts: tuple[str, ...]
    complete: bool

    @property
    def methods(self) -> tuple[Method, ...]:
        """In the order they were named."""
        return self.plan.methods

    def of(self, method: Method) -> list[Run]:
        """The runs of a method."""
        return [run for run in self.runs if run.cell.method is method]

    def last(self, score: str) -> dict[str, list[float]]:
        """Values of the last checkpoint over the finished seeds, by the method's name."""
        return {
            method.name: [value for run in self.of(method) if run.last and (value := run.last.get(score)) is not None]
            for method in self.methods
        }

    def best(self, score: str) -> dict[str, list[float]]:
        """Values at each run's best step by :attr:`rank_by`, as :meth:`last`."""
        found: dict[str, list[float]] = {method.name: [] for method in self.methods}
        if self.rank_by is None:
            return found
        for run in self.runs:
            step = run.best_step(self.rank_by.name, bool(self.rank_by.higher_is_better))
            value = None if step is None else run.scores[step].get(score)
            if value is not None:
                found[run.cell.method.name].append(value)
        return found


def gather(plan: Plan, states: Mapping[Cell, State], errors: Mapping[Cell, str], *, complete: bool) -> Comparison:
    """Read all runs.

    Args:
        plan: what is compared.
        states: of the runs.
        errors: of the runs that failed in this call, or were found damaged.
        complete: whether all runs came to an end.

    Raises:
        RecipeError: the group ranks by, or quotes, a score that is not there.
    """
    runs, unreadable, told = [], list(plan.unreadable), dict(errors)
    for cell in plan.cells:
        try:
            state = states[cell]
            run = read(cell, "unfinished" if state == "new" else state)
        except DamagedError as error:
            unreadable.append(Unreadable(cell.folder.path, errors.get(cell, str(error))))
            continue
        runs.append(run)
        if run.state == "failed":
            told.setdefault(cell, str(run.manifest.get("error", "")))
    declared = scores.declared(plan.methods)
    found = scores.known(declared, runs)
    group = plan.group
    wanted = group.content.rank_by if group else None
    ranked = scores.rank_by(wanted, declared or found, group.source if group else "group", plan.methods)
    if group:
        scores.check_published(plan.methods, declared, group.source)
    conflicts = list(fairness.planned_conflicts(plan.methods))
    measured = fairness.measured_conflicts(_protocols(runs))
    named = {sentence.partition(" is measured")[0] for sentence in conflicts}
    conflicts += [sentence for sentence in measured if sentence.partition(" is measured")[0] not in named]
    return Comparison(
        plan=plan,
        runs=tuple(runs),
        errors=told,
        unreadable=tuple(unreadable),
        scores=tuple(found),
        rank_by=ranked if ranked in found else None,
        conflicts=tuple(conflicts),
        complete=complete,
    )


def _protocols(runs: Sequence[Run]) -> list[tuple[str, Mapping[str, Any]]]:
    """How each scored run was measured; one that is measured otherwise than its replicas is named for itself."""
    first: dict[Method, str | None] = {}
    found = []
    for run in runs:
        if run.last is not None:
            method, protocol = run.cell.method, run.manifest["protocol"]
            like_its_replicas = first.setdefault(method, protocol.get("fingerprint")) == protocol.get("fingerprint")
            alone = f"{method.label}, seed {run.cell.seed} ({run.cell.folder.path}),"
            found.append((method.label if like_its_replicas else alone, protocol))
    return found
