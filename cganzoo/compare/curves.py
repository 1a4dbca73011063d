"""Scores and loss terms over the steps, and the scores of each class: means over the seeds. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from .gathering import Comparison


def curves(comparison: Comparison) -> dict[str, Any]:
    """By score and by loss term, a curve of each method: over all its runs, for as long as each of them lasted."""
    scores: dict[str, Any] = {}
    for score in comparison.scores:
        of = {m.name: _curve([_column(run.scores, score.name) for run in comparison.of(m)]) for m in comparison.methods}
        scores[score.name] = {name: curve for name, curve in of.items() if curve["step"]}
    names = dict.fromkeys(name for run in comparison.runs for terms in run.terms.values() for name in terms)
    terms: dict[str, Any] = {}
    for name in names:
        of = {m.name: _curve([_column(run.terms, name) for run in comparison.of(m)]) for m in comparison.methods}
        terms[name] = {method: curve for method, curve in of.items() if curve["step"]}
    return {"scores": scores, "terms": terms}


def _column(records: Mapping[int, Mapping[str, float | None]], name: str) -> dict[int, float]:
    return {step: value for step, record in records.items() if (value := record.get(name)) is not None}


def _curve(runs: Sequence[Mapping[int, float]]) -> dict[str, Any]:
    """Mean over the seeds at each step, and the band from the lowest to the highest of them."""
    steps = sorted({step for run in runs for step in run})
    at = [[run[step] for run in runs if step in run] for step in steps]
    return {
        "step": steps,
        "mean": [fmean(values) for values in at],
        "low": [min(values) for values in at],
        "high": [max(values) for values in at],
        "n": [len(values) for values in at],
    }


def per_class(comparison: Comparison) -> dict[str, Any]:
    """Means of the last checkpoint over the finished seeds, for the scores that have a number a class."""
    classes: list[str] = []
    scores: dict[str, Any] = {}
    for method in comparison.methods:
        found: dict[str, list[list[float | None]]] = {}
        for run in comparison.of(method):
            if run.last is not None and not comparison.conflicts:
                classes = classes or list(run.manifest.get("classes") or [])
                for name, values in (run.manifest.get("per_class") or {}).items():
                    found.setdefault(name, []).append(values)
        for name, seeds in found.items():
            columns = [[value for value in column if value is not None] for column in zip(*seeds, strict=False)]
            scores.setdefault(name, {})[method.name] = [fmean(c) if c else None for c in columns]
    return {"classes": classes, "scores": scores}
