"""Which scores there are, and what is said of them: from the metrics that the recipes name. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cganzoo.errors import CganzooError, RecipeError
from cganzoo.registry.probe import load_survivors

from .plan import Method
from .reading import Run

STANDARD_ERROR = "_se"


@dataclass(frozen=True)
class Score:
    """One column of the comparison.

    Attributes:
        name: of the metric's output.
        summary: one line; empty where the metric is not installed.
        higher_is_better: ``None`` where neither is, or that is not known.
        headline: whether it is its metric's main output.
    """

    name: str
    summary: str
    higher_is_better: bool | None
    headline: bool


def declared(methods: Sequence[Method]) -> list[Score]:
    """The scores that the recipes' metrics report, in their order; without those of plugins that are not installed."""
    found: dict[str, Score] = {}
    for spec in _specs(methods):
        for output in spec.outputs:
            headline = output is spec.outputs[0]
            found.setdefault(output.name, Score(output.name, output.summary, output.higher_is_better, headline))
    return list(found.values())


def known(scores: Sequence[Score], runs: Sequence[Run]) -> list[Score]:
    """Those of the declared scores that the runs have; behind them those that no installed metric declares."""
    reported = {name for run in runs for scores in run.scores.values() for name in scores}
    found = {score.name: score for score in scores if score.name in reported}
    for name in sorted(reported - set(found)):
        found[name] = Score(name, "", None, False)
    errors = {name for name in found if name.endswith(STANDARD_ERROR) and name.removesuffix(STANDARD_ERROR) in found}
    return [score for name, score in found.items() if name not in errors]


def _specs(methods: Sequence[Method]) -> list[Any]:
    """Specifications of the metrics that the methods name; what is not installed is left out."""
    specs: dict[str, Any] = {}
    registry = None
    for method in methods:
        if method.resolved is not None:
            for metric in method.resolved.metrics:
                specs.setdefault(metric.spec.name, metric.spec)
            continue
        registry = registry or load_survivors()
        for metric in method.values.get("metrics", []):
            try:
                specs.setdefault(metric["name"], registry.get("metric", metric["name"]).spec)
            except CganzooError:
                continue
    return list(specs.values())


def rank_by(wanted: str | None, scores: Sequence[Score], source: str, methods: Sequence[Method] = ()) -> Score | None:
    """The score that methods are ranked by: the one asked for, or the first that has a better end and that all report.

    Args:
        wanted: its name.
        scores: to choose from.
        source: what messages call the place that asks for it.
        methods: that are ranked.

    Raises:
        RecipeError: there is no such score, or it has no better end.
    """
    ranked = [score for score in scores if score.higher_is_better is not None]
    if wanted is None:
        shared = _shared(methods)
        # False comes first.
        ranked = sorted(ranked, key=lambda score: (score.name not in shared, not score.headline))
        return ranked[0] if ranked else None
    for score in ranked:
        if score.name == wanted:
            return score
    raise RecipeError(f'{source}: rank_by: "{wanted}" is no score that these recipes report; {_choice(ranked)}')


def _shared(methods: Sequence[Method]) -> set[str]:
    """The scores of metrics that all methods have."""
    named = [{metric["name"] for metric in method.values.get("metrics", [])} for method in methods]
    everywhere = set.intersection(*named) if named else set()
    return {output.name for spec in _specs(methods) if spec.name in everywhere for output in spec.outputs}


def check_published(methods: Sequence[Method], scores: Sequence[Score], source: str) -> None:
    """Make sure that a published value has a score to stand beside.

    Raises:
        RecipeError: there is no such score.
    """
    names = {score.name for score in scores}
    for method in methods:
        for name in method.published:
            if name not in names:
                raise RecipeError(
                    f'{source}: {method.name}: published: "{name}" is no score that these recipes report; '
                    f"{_choice(scores)}"
                )


def _choice(scores: Sequence[Score]) -> str:
    return "choose one of " + ", ".join(f'"{score.name}"' for score in scores)
