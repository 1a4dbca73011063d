"""Metrics that failed in finished runs: shown as failed, not as missing. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .comparison import Comparison
from .read import Run


def failures(run: Run) -> dict[str, str]:
    """Why a metric has no scores of the last step, by the name of the metric."""
    evaluation = run.manifest.evaluation
    return dict(evaluation.failures) if evaluation is not None and run.last_step is not None else {}


def failed_runs(runs: Iterable[Run], metric: str) -> int:
    """In how many runs a metric failed."""
    return sum(metric in failures(run) for run in runs)


def mark_failed(comparison: Comparison, rows: Iterable[dict[str, Any]]) -> None:
    """Write into each cell of the last checkpoints in how many runs its metric failed, if in any."""
    for method, row in zip(comparison.methods, rows, strict=True):
        for score in comparison.scores:
            count = failed_runs(comparison.finished(method), score.metric)
            if count:
                row["cells"][score.name]["failed"] = count


def warnings(comparison: Comparison) -> Iterator[str]:
    """A warning for each metric that failed in a run."""
    for method in comparison.methods:
        for run in comparison.finished(method):
            for name, why in failures(run).items():
                reason = f'{run.cell}: metric "{name}" failed: {why.rstrip(".")}.'
                yield f"{reason} `cganzoo run` with its recipe scores it again."
