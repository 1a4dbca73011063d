"""All runs of a comparison, and the scores that they are compared by. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cganzoo.errors import CganzooError, RecipeError
from cganzoo.registry.probe import load_survivors
from cganzoo.specs import STANDARD_ERROR, MetricSpec

from . import fairness
from .matrix import Cell, DamagedError, Matrix, Method
from .read import Run, States, read_run


@dataclass(frozen=True)
class ScoreColumn:
    """A score, and how it is shown.

    Attributes:
        name: name of the metric's output.
        summary: one line; empty if the metric is not installed.
        higher_is_better: ``None`` if neither direction is better, or if that is not known.
        headline: whether it is the main output of its metric.
    """

    name: str
    summary: str = ""
    higher_is_better: bool | None = None
    headline: bool = False


@dataclass(frozen=True, eq=False)
class Comparison:
    """What there is to compare.

    Attributes:
        matrix: all runs that were asked for.
        runs: the runs that could be read, in the order of the matrix.
        errors: why a run failed, or that another process holds it.
        skipped: why a folder is left out; one message for each.
        scores: the scores that the runs have.
        rank_by: the score that methods are ranked by, if there is one.
        conflicts: how a method was scored differently from the first one; a message by the method's label.
    """

    matrix: Matrix
    runs: tuple[Run, ...]
    errors: Mapping[Cell, str]
    skipped: tuple[str, ...]
    scores: tuple[ScoreColumn, ...]
    rank_by: ScoreColumn | None
    conflicts: Mapping[str, str]

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods, in the order they were named."""
        return self.matrix.methods

    def of(self, method: Method) -> list[Run]:
        """The runs of a method."""
        return [run for run in self.runs if run.cell.method is method]

    def finished(self, method: Method) -> list[Run]:
        """The finished runs of a method."""
        return [run for run in self.of(method) if run.state == "finished"]

    def best_step(self, run: Run) -> int | None:
        """The step with the best value of :attr:`rank_by`, the first of equals; ``None`` for an unfinished run."""
        score = self.rank_by
        if score is None or run.state != "finished":
            return None
        sign = -1 if score.higher_is_better else 1
        values = {step: value for step, scores in run.scores.items() if (value := scores.get(score.name)) is not None}
        return min(values, key=lambda step: (sign * values[step], step), default=None)

    def last(self, score: str) -> dict[str, list[float]]:
        """Values at the last step of the finished runs, by the method's name."""
        return self._values(score, {run: run.last_step for run in self.runs})

    def best(self, score: str) -> dict[str, list[float]]:
        """Values at the best step of the finished runs, by the method's name."""
        return self._values(score, {run: self.best_step(run) for run in self.runs})

    def _values(self, score: str, steps: Mapping[Run, int | None]) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {method.name: [] for method in self.methods}
        for run, step in steps.items():
            if step is not None and (value := run.scores[step].get(score)) is not None:
                found[run.cell.method.name].append(value)
        return found


def gather(matrix: Matrix, states: States) -> Comparison:
    """Read all runs.

    Raises:
        RecipeError: the group file ranks by, or has published values of, a score that its recipes do not report.
    """
    runs, skipped, errors = [], list(matrix.skipped), dict(states.errors)
    for cell in matrix.cells:
        state = states.of[cell]
        try:
            run = read_run(cell, "unfinished" if state == "new" else state)
        except DamagedError as error:
            skipped.append(states.errors.get(cell, str(error)))
            continue
        runs.append(run)
        if run.state == "failed":
            errors.setdefault(cell, run.manifest.error)
    specs = _metric_specs(matrix.methods)
    declared = _declared(specs.values())
    scores = _reported(declared, runs)
    group = matrix.group
    if group:
        _check_published(matrix.methods, declared, group.source)
    wanted, source = (group.content.rank_by, group.source) if group else (None, "")
    candidates = declared or scores
    ranked = _named(wanted, candidates, source) if wanted else _default_rank_by(candidates, specs, matrix.methods)
    planned = fairness.planned_conflicts(matrix.methods)
    measured = fairness.measured_conflicts(_protocols(runs))
    return Comparison(
        matrix=matrix,
        runs=tuple(runs),
        errors=errors,
        skipped=tuple(skipped),
        scores=tuple(scores),
        rank_by=ranked if ranked in scores else None,
        conflicts=planned | {label: message for label, message in measured.items() if label not in planned},
    )


def _protocols(runs: Sequence[Run]) -> list[tuple[str, Mapping[str, Any]]]:
    """How each run was scored; a run that was scored differently from its first replica has a label of its own."""
    first: dict[Method, Any] = {}
    found = []
    for run in runs:
        if run.protocol:
            fingerprint = run.protocol.get("fingerprint")
            same = first.setdefault(run.cell.method, fingerprint) == fingerprint
            found.append((run.cell.method.label if same else f"{run.cell} ({run.cell.folder.path})", run.protocol))
    return found


# --- scores ---------------------------------------------------------------------------------------------------------


def _metric_specs(methods: Sequence[Method]) -> dict[str, MetricSpec[Any]]:
    """Specifications of the recipes' metrics, by name; metrics that are not installed are left out."""
    specs: dict[str, MetricSpec[Any]] = {}
    registry = None
    for method in methods:
        if method.resolved is not None:
            for name, metric in zip(method.metrics, method.resolved.metrics, strict=True):
                specs.setdefault(name, metric.spec)
            continue
        registry = registry or load_survivors()
        for name in method.metrics:
            try:
                specs.setdefault(name, registry.get("metric", name).spec)
            except CganzooError:
                continue
    return specs


def _declared(specs: Iterable[MetricSpec[Any]]) -> list[ScoreColumn]:
    """The scores that the metrics report, in their order."""
    found: dict[str, ScoreColumn] = {}
    for spec in specs:
        for place, output in enumerate(spec.outputs):
            column = ScoreColumn(output.name, output.summary, output.higher_is_better, headline=place == 0)
            found.setdefault(output.name, column)
    return list(found.values())


def _reported(declared: Sequence[ScoreColumn], runs: Sequence[Run]) -> list[ScoreColumn]:
    """The declared scores that the runs have, then the scores that no installed metric declares."""
    names = {name for run in runs for scores in run.scores.values() for name in scores}
    found = {score.name: score for score in declared if score.name in names}
    found |= {name: ScoreColumn(name) for name in sorted(names - set(found))}
    errors = {name + STANDARD_ERROR for name in found}
    return [score for name, score in found.items() if name not in errors]


def _named(wanted: str, scores: Sequence[ScoreColumn], source: str) -> ScoreColumn:
    """The score that a group file ranks by.

    Raises:
        RecipeError: no recipe reports it, or neither direction is better.
    """
    ranked = {score.name: score for score in scores if score.higher_is_better is not None}
    if wanted not in ranked:
        raise RecipeError(f'{source}: rank_by: "{wanted}" is not a score of these recipes; {_choices(ranked)}')
    return ranked[wanted]


def _default_rank_by(
    scores: Sequence[ScoreColumn], specs: Mapping[str, MetricSpec[Any]], methods: Sequence[Method]
) -> ScoreColumn | None:
    """The first score that has a better direction: of those that all methods report, if any, and a headline."""
    metrics = set.intersection(*(set(method.metrics) for method in methods))
    shared = {output.name for name, spec in specs.items() if name in metrics for output in spec.outputs}
    ranked = [score for score in scores if score.higher_is_better is not None]
    return min(ranked, key=lambda score: (score.name not in shared, not score.headline), default=None)


def _check_published(methods: Sequence[Method], scores: Sequence[ScoreColumn], source: str) -> None:
    names = [score.name for score in scores]
    for method in methods:
        for name in method.published:
            if name not in names:
                raise RecipeError(
                    f'{source}: {method.name}: published: "{name}" is not a score of these recipes; {_choices(names)}'
                )


def _choices(names: Iterable[str]) -> str:
    return "choose one of " + ", ".join(f'"{name}"' for name in names)
