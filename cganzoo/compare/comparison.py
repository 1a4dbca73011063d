"""All runs of a comparison, and the scores that compare these runs. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cganzoo._util.text import listed, shortened
from cganzoo.errors import CganzooError, RecipeError
from cganzoo.evaluate.protocol import with_fingerprints
from cganzoo.registry.probe import load_survivors
from cganzoo.specs import STANDARD_ERROR, MetricSpec

from . import fairness
from .matrix import Cell, Matrix, Method
from .read import Run, States, read_run
from .run_files import DamagedError


@dataclass(frozen=True)
class ScoreColumn:
    """An output of a metric; only its name is known if the metric is not installed."""

    name: str
    summary: str = ""
    higher_is_better: bool | None = None  # None, too, if neither direction is better
    headline: bool = False  # the main output of its metric
    metric: str = ""
    low: float | None = None
    high: float | None = None
    rank_order: int | None = None
    diversity: bool = False

    @property
    def worst(self) -> float | None:
        """The worst possible value, if there is a direction and a bound on that side."""
        if self.higher_is_better is None:
            return None
        return self.low if self.higher_is_better else self.high


@dataclass(frozen=True, eq=False)
class Comparison:
    """The runs of a matrix that could be read, in its order, and the scores that they have."""

    matrix: Matrix
    runs: tuple[Run, ...]
    errors: Mapping[Cell, str]  # why a run failed, or that another process holds it
    skipped: tuple[str, ...]  # a message for each folder that is left out
    scores: tuple[ScoreColumn, ...]
    rank_by: ScoreColumn | None
    conflicts: Mapping[str, str]  # by a method's label: how it was scored differently from the first one

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods, in the order in which the user named them."""
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
        try:
            run = read_run(cell, states.of[cell])
        except DamagedError as error:
            message = states.errors.get(cell, str(error))
            skipped.append(f"{cell}: {message}" if cell.resolved else message)
            continue
        runs.append(run)
        if run.state == "failed":
            errors.setdefault(cell, run.manifest.error)
    specs = _metric_specs(matrix.methods)
    declared = _declared(specs.values())
    scores = _reported(declared, runs)
    ranked = [score for score in declared or scores if score.higher_is_better is not None]
    rank_by = _default_rank_by(ranked, specs, matrix.methods)
    if group := matrix.group:
        for method in matrix.methods:
            for name in method.published:
                _find(name, declared, f"{group.source}: {method.name}: published")
    if matrix.rank_by is not None:
        place, name = matrix.rank_by
        if any(score.name == name for score in set(declared) - set(ranked)):
            raise RecipeError(f'{place}: "{name}" cannot rank methods: neither high nor low values of it are better')
        rank_by = _find(name, ranked, place)
    planned = fairness.planned_conflicts(matrix.methods)
    measured = fairness.measured_conflicts(_protocols(runs))
    return Comparison(
        matrix=matrix,
        runs=tuple(runs),
        errors=errors,
        skipped=tuple(skipped),
        scores=tuple(scores),
        rank_by=rank_by if rank_by in scores else None,
        conflicts=planned | {label: message for label, message in measured.items() if label not in planned},
    )


def _protocols(runs: Sequence[Run]) -> list[tuple[str, Mapping[str, Any]]]:
    """How each run was scored; a run that was scored differently from its first replica has a label of its own."""
    first: dict[Method, Any] = {}
    found = []
    for run in runs:
        if run.protocol:
            fingerprint = with_fingerprints(run.protocol)["fingerprint"]
            same = first.setdefault(run.cell.method, fingerprint) == fingerprint
            found.append((run.cell.method.label if same else f"{run.cell} ({run.cell.folder.path})", run.protocol))
    return found


# --- scores ---------------------------------------------------------------------------------------------------------


def _metric_specs(methods: Sequence[Method]) -> dict[str, Any]:
    """Specifications of the recipes' metrics, by name; metrics that are not installed are left out."""
    specs: dict[str, Any] = {}
    registry = None
    for method in methods:
        for place, name in enumerate(method.metrics):
            if method.resolved is not None:
                specs.setdefault(name, method.resolved.metrics[place].spec)
                continue
            registry = registry or load_survivors()
            with suppress(CganzooError):
                specs.setdefault(name, registry.get("metric", name).spec)
    return specs


def _declared(specs: Iterable[MetricSpec[Any]]) -> list[ScoreColumn]:
    """The scores that the metrics report, in their order."""
    found: dict[str, ScoreColumn] = {}
    for spec in specs:
        for place, output in enumerate(spec.outputs):
            column = ScoreColumn(
                name=output.name,
                summary=output.summary,
                higher_is_better=output.higher_is_better,
                headline=place == 0,
                metric=spec.name,
                low=output.low,
                high=output.high,
                rank_order=output.rank_order,
                diversity=output.diversity,
            )
            found.setdefault(output.name, column)
    return list(found.values())


def _reported(declared: Sequence[ScoreColumn], runs: Sequence[Run]) -> list[ScoreColumn]:
    """The declared scores that the runs have, then the scores that no installed metric declares."""
    names = {name for run in runs for scores in run.scores.values() for name in scores}
    found = {score.name: score for score in declared if score.name in names}
    found |= {name: ScoreColumn(name) for name in sorted(names - set(found))}
    errors = {name + STANDARD_ERROR for name in found}
    return [score for name, score in found.items() if name not in errors]


def _default_rank_by(
    scores: Sequence[ScoreColumn], specs: Mapping[str, Any], methods: Sequence[Method]
) -> ScoreColumn | None:
    """The score that may rank methods and comes first, if possible one that all methods report."""
    metrics = set.intersection(*(set(method.metrics) for method in methods))
    shared = {output.name for name, spec in specs.items() if name in metrics for output in spec.outputs}
    ranking = [(score.name not in shared, score.rank_order, score) for score in scores if score.rank_order is not None]
    return min(ranking, key=lambda entry: entry[:2])[2] if ranking else None


def _find(name: str, scores: Iterable[ScoreColumn], place: str) -> ScoreColumn:
    """The score that a group file names; raises :class:`RecipeError` if it is not one of ``scores``."""
    found = {score.name: score for score in scores}
    if name not in found:
        if not found:
            raise RecipeError(f'{place}: "{shortened(name)}" is not a score of these recipes, which have no such score')
        choices = listed(f'"{choice}"' for choice in found)
        raise RecipeError(f'{place}: "{shortened(name)}" is not a score of these recipes; choose one of {choices}')
    return found[name]
