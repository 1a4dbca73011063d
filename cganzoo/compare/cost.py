"""What methods cost: speed, time, memory, and how long until they are as good as the worst one. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from cganzoo.console.reporter import amount, number

from .gathering import Comparison
from .reading import Run

Figure = tuple[str, float | None]
"""What a table shows, and what it sorts by; ``None`` sorts last."""
NOTHING: Figure = ("-", None)


def cost(comparison: Comparison) -> list[dict[str, Any]]:
    """A row for each measure, with a text and a number for each method: the median over its finished seeds."""
    rows: dict[str, dict[str, Figure]] = {}
    target = _target(comparison)
    for method in comparison.methods:
        runs = [run for run in comparison.of(method) if run.state == "finished"]
        measures = {
            "images a second": _median([run.images_per_second for run in runs], "{:,.0f}".format),
            "training time of a run": _median([run.manifest.get("seconds") for run in runs], _duration),
            "peak memory of the process": _median([_peak(run, "process") for run in runs], _amount),
            "peak memory of the device": _median([_peak(run, "device") for run in runs], _amount),
        }
        if target is not None and comparison.rank_by is not None:
            measures[f"time to reach {comparison.rank_by.name} {number(target)}"] = _reached(comparison, runs, target)
        for name, figure in measures.items():
            rows.setdefault(name, {})[method.name] = figure
    return [
        {
            "name": name,
            "values": {method: text for method, (text, _) in figures.items()},
            "sort": {method: size for method, (_, size) in figures.items()},
        }
        for name, figures in rows.items()
        if any(figure != NOTHING for figure in figures.values())
    ]


def _median(values: Sequence[float | None], shown: Callable[[float], str]) -> Figure:
    known = [value for value in values if value is not None]
    return (shown(median(known)), median(known)) if known else NOTHING


def _peak(run: Run, kind: str) -> float | None:
    peak: Mapping[str, float] = run.manifest.get("peak_memory") or {}
    return peak.get(kind)


def _amount(size: float) -> str:
    return amount(round(size))


def _target(comparison: Comparison) -> float | None:
    """The score that every method reaches at last: the mean of the worst one."""
    score = comparison.rank_by
    if score is None or comparison.conflicts:
        return None
    means = [fmean(values) for values in comparison.last(score.name).values() if values]
    return (min(means) if score.higher_is_better else max(means)) if len(means) > 1 else None


def _reached(comparison: Comparison, runs: Sequence[Run], target: float) -> Figure:
    """Training time until the first evaluation that is as good as ``target``."""
    score = comparison.rank_by
    if score is None or not runs:
        return NOTHING
    times = []
    for run in runs:
        known = {step: value for step, scores in run.scores.items() if (value := scores.get(score.name)) is not None}
        good = [s for s, value in known.items() if (value >= target if score.higher_is_better else value <= target)]
        seconds = run.seconds_at(min(good)) if good else None
        times.append(math.inf if seconds is None else seconds)
    middle = median(times)
    reached = sum(time < math.inf for time in times)
    shown = _duration(middle) if middle < math.inf else "not reached"
    of_seeds = "" if reached == len(times) else f" ({reached} of {len(times)} seeds)"
    return shown + of_seeds, middle if middle < math.inf else None


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
