"""A comparison as JSON values: what the page, the tables and the terminal show. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from statistics import fmean, median
from typing import Any

from cganzoo._version import __version__
from cganzoo.console.reporter import amount, number
from cganzoo.evaluate.protocol import with_fingerprints

from . import conclusions, statistics
from .comparison import Comparison, ScoreColumn
from .failures import failures, mark_failed
from .matrix import Method
from .read import ENDED, Run
from .side_by_side import protocol_of, side_by_side
from .signs import Sign, find_signs, suspects

View = dict[str, Any]
BEST_NOTE = (
    "Scores at the step of each run that is best by {}, of the steps that were evaluated. The step is chosen by the "
    "same samples that are scored, so these scores are too good, most of all for methods whose scores vary much."
)

REACH = "time to reach"
REACH_NOTE = (
    "training time until the first evaluation with a score at least as good as this value, the final mean of the worst "
    "method, which every method should reach; the median over the seeds. Fewer evaluations make it less precise."
)


def build_view(comparison: Comparison, command: str) -> View:
    """Everything except the pictures; ``command`` is the command line that shows it."""
    matrix, methods, ranked = comparison.matrix, comparison.methods, comparison.rank_by
    pairs, ranks = conclusions.pairs_and_ranks(comparison)
    signs = find_signs(comparison)
    last = {"id": "last", "title": "Last checkpoint", "note": "Scores at the last step of each run."}
    tables: list[View] = [{**last, "rows": _rows(comparison, comparison.last, signs), "real": _real(comparison)}]
    if ranked and any(len(run.scores) > 1 for method in methods for run in comparison.finished(method)):
        best = {"id": "best", "title": "Best checkpoint", "note": BEST_NOTE.format(ranked.name)}
        tables.append({**best, "rows": _rows(comparison, comparison.best, signs), "real": []})
    published = matrix.group.content.published if matrix.group else None
    terms = [name for run in comparison.runs for values in run.terms.values() for name in values]
    mark_failed(comparison, tables[0]["rows"])
    return {
        "title": matrix.title,
        "note": matrix.group.content.note.strip() if matrix.group else "",
        "version": f"cganzoo {__version__}",
        "created": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "summary": conclusions.summary(comparison, tables[0]["rows"], pairs, signs),
        "warnings": conclusions.warnings(comparison, signs),
        "signs": [vars(sign) for sign in signs],
        "methods": [_method(method, comparison.of(method)) for method in methods],
        "scores": [vars(score) for score in comparison.scores],
        "rank_by": ranked.name if ranked else None,
        "tables": tables,
        "published": published
        and {
            "source": published.source,
            "difference": published.difference.strip(),
            "values": {method.name: dict(method.published) for method in methods if method.published},
        },
        "pairs": pairs,
        "ranks": ranks,
        "curves": {
            "scores": _curves(comparison, lambda run: run.scores, [score.name for score in comparison.scores]),
            "terms": _curves(comparison, lambda run: run.terms, terms),
        },
        "per_class": _per_class(comparison),
        "fairness": side_by_side(comparison),
        "speed": _cost(comparison),
        "reproduce": {
            "commands": _commands(comparison, command),
            "versions": _versions(comparison),
            "runs": [_run(comparison, run) for run in comparison.runs],
            "damaged": list(comparison.skipped),
        },
        "mixed": bool(comparison.conflicts),
    }


def published_scores(view: View) -> list[str]:
    """The scores that have a published value of a method that is shown, in the order of the tables."""
    values = view["published"]["values"].values() if view["published"] else ()
    return [score["name"] for score in view["scores"] if any(score["name"] in row for row in values)]


def _method(method: Method, runs: Sequence[Run]) -> View:
    return {
        "id": method.name,
        "label": method.label,
        "seeds": [run.cell.seed for run in runs],
        **{state: sum(run.state == state for run in runs) for state in ENDED},
        "unfinished": sum(run.state not in ENDED for run in runs),
        "protocol": protocol_of(runs),
    }


# --- tables of scores -----------------------------------------------------------------------------------------------


def _rows(
    comparison: Comparison, values_of: Callable[[str], Mapping[str, Sequence[float]]], signs: Sequence[Sign]
) -> list[View]:
    rows: list[View] = [{"method": method.name, "cells": {}} for method in comparison.methods]
    for score in comparison.scores:
        values = values_of(score.name)
        marks = {} if comparison.conflicts else _marks(values, score, signs)
        for row in rows:
            row["cells"][score.name] = _cell(values[row["method"]], marks.get(row["method"], ""), score)
    return rows


def _cell(values: Sequence[float], mark: str, score: ScoreColumn) -> View:
    if not values:
        return {**dict.fromkeys(("mean", "sd", "low", "high", "bootstrap")), "n": 0, "mark": ""}
    found = statistics.summary(values, low=score.low, high=score.high)
    low, high = found.interval or (None, None)
    interval = {"low": low, "high": high, "bootstrap": found.bootstrap and list(found.bootstrap)}
    return {"mean": found.mean, "sd": found.sd, **interval, "n": found.count, "mark": mark}


def _marks(values: Mapping[str, Sequence[float]], score: ScoreColumn, signs: Sequence[Sign]) -> dict[str, str]:
    """``"best"``, ``"tie"`` or ``"suspect"`` by method; no method is best or a tie if the best mean is suspect."""
    marks = {sign.method: "suspect" for sign in signs if sign.score == score.name and values[sign.method]}
    # One seed supports no conclusion, so it is not marked as the best.
    present = {name: found for name, found in values.items() if len(found) > 1}
    if score.higher_is_better is None or len(present) < 2:
        return marks
    best, tied = statistics.ties(present, higher_is_better=score.higher_is_better)
    if best in suspects(signs, score.name):
        return {**marks, best: "suspect"}
    return {**dict.fromkeys(tied, "tie"), best: "best", **marks}


def _real(comparison: Comparison) -> list[View]:
    """Scores of real images; the same for all methods that are scored in the same way."""
    runs = [run.manifest.evaluation for run in comparison.runs if run.state == "finished" and run.manifest.evaluation]
    rows = []
    for label, part in (("real test images", "real_test"), ("half of the training images", "real_halves")):
        cells: dict[str, float | None] = {}
        for evaluation in runs:
            cells = {**getattr(evaluation, part), **cells}
        if any(value is not None for value in cells.values()) and not comparison.conflicts:
            rows.append({"label": label, "cells": {score.name: cells.get(score.name) for score in comparison.scores}})
    return rows


# --- curves and classes ---------------------------------------------------------------------------------------------


def _curves(
    comparison: Comparison, records_of: Callable[[Run], Mapping[int, Mapping[str, float | None]]], names: Iterable[str]
) -> View:
    """A curve for each name and method: at each step, the mean over the method's runs that reached this step."""
    found: View = {}
    for name in dict.fromkeys(names):
        found[name] = {}
        for method in comparison.methods:
            curve = _curve([_column(records_of(run), name) for run in comparison.of(method)])
            if curve["step"]:
                found[name][method.name] = curve
    return found


def _column(records: Mapping[int, Mapping[str, float | None]], name: str) -> dict[int, float]:
    return {step: value for step, record in records.items() if (value := record.get(name)) is not None}


def _curve(runs: Sequence[Mapping[int, float]]) -> View:
    """Mean, lowest and highest value over the seeds, at each step."""
    steps = sorted({step for run in runs for step in run})
    at = [[run[step] for run in runs if step in run] for step in steps]
    return {
        "step": steps,
        "mean": [fmean(values) for values in at],
        "low": [min(values) for values in at],
        "high": [max(values) for values in at],
        "n": [len(values) for values in at],
    }


def _per_class(comparison: Comparison) -> View:
    """Means over the finished seeds, at the last step, of the scores that have a value for each class."""
    classes: list[str] = []
    scores: View = {}
    for method in comparison.methods if not comparison.conflicts else ():
        found: dict[str, list[list[float | None]]] = {}
        for run in comparison.of(method):
            if run.last_step is not None and run.manifest.evaluation:
                classes = classes or run.manifest.classes
                for name, values in run.manifest.evaluation.per_class.items():
                    found.setdefault(name, []).append(values)
        for name, seeds in found.items():
            columns = [[value for value in column if value is not None] for column in zip(*seeds, strict=False)]
            scores.setdefault(name, {})[method.name] = [fmean(c) if c else None for c in columns]
    return {"classes": classes, "scores": scores}


# --- cost -----------------------------------------------------------------------------------------------------------


def _cost(comparison: Comparison) -> list[View]:
    """A row for each measure: by method a text, and the number to sort by; the median over the finished seeds."""
    rows: dict[str, tuple[dict[str, str], dict[str, float | None]]] = {}
    target = _target(comparison)
    for method in comparison.methods:
        runs = comparison.finished(method)
        memory = [run.manifest.peak_memory for run in runs]
        measures = {
            "images per second": _median([run.images_per_second for run in runs], "{:,}".format),
            "training time of a run": _median([run.manifest.seconds for run in runs], _duration),
            "peak memory of the process": _median([peak.get("process") for peak in memory], amount),
            "peak memory of the device": _median([peak.get("device") for peak in memory], amount),
        }
        if target is not None and comparison.rank_by is not None:
            name = f"{REACH} {comparison.rank_by.name} {number(target)}"
            measures[name] = _time_to_reach(runs, comparison.rank_by, target)
        for name, (text, size) in measures.items():
            texts, sizes = rows.setdefault(name, ({}, {}))
            texts[method.name], sizes[method.name] = text, size
    return [
        {"name": name, "values": texts, "sort": sizes, "note": REACH_NOTE if name.startswith(REACH) else ""}
        for name, (texts, sizes) in rows.items()
        if set(texts.values()) != {"-"}
    ]


def _median(values: Iterable[float | None], shown: Callable[[int], str]) -> tuple[str, float | None]:
    known = [value for value in values if value is not None]
    return (shown(round(median(known))), median(known)) if known else ("-", None)


def _target(comparison: Comparison) -> float | None:
    """The score that every method reaches in the end: the mean of the worst method."""
    score = comparison.rank_by
    if score is None or comparison.conflicts:
        return None
    means = [fmean(values) for values in comparison.last(score.name).values() if values]
    return (min(means) if score.higher_is_better else max(means)) if len(means) > 1 else None


def _time_to_reach(runs: Sequence[Run], score: ScoreColumn, target: float) -> tuple[str, float | None]:
    """Training time until the first evaluation that is as good as ``target``; the median over the runs."""
    sign = 1 if score.higher_is_better else -1
    times = []
    for run in runs:
        good = [step for step, value in _column(run.scores, score.name).items() if sign * value >= sign * target]
        seconds = run.seconds_at(min(good)) if good else None
        times.append(math.inf if seconds is None else seconds)
    if not times:
        return "-", None
    middle, reached = median(times), sum(time < math.inf for time in times)
    text = _duration(round(middle)) if middle < math.inf else "not reached"
    of_seeds = "" if reached == len(times) else f" ({reached} of {len(times)} seeds)"
    return text + of_seeds, middle if middle < math.inf else None


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


# --- how to reproduce it --------------------------------------------------------------------------------------------


def _run(comparison: Comparison, run: Run) -> View:
    manifest = run.manifest
    known = with_fingerprints(run.protocol)["fingerprints"] if run.protocol else {}
    return {
        "method": run.cell.method.name,
        "seed": run.cell.seed,
        "state": run.state,
        "recipe": manifest.recipe_digest or None,
        "code": manifest.code,
        "commit": manifest.versions.commit,
        "device": manifest.device or None,
        "folder": str(run.cell.folder.path),
        "protocol": protocol_of([run]),
        "fingerprints": {score.name: known[score.metric] for score in comparison.scores if score.metric in known},
        "last_step": run.last_step,
        "error": comparison.errors.get(run.cell) or (manifest.error if run.state == "diverged" else ""),
        "best_step": comparison.best_step(run),
        "failures": failures(run),
        "scores": {str(step): dict(scores) for step, scores in sorted(run.scores.items())},
    }


def _commands(comparison: Comparison, command: str) -> list[str]:
    """The commands that trained the runs, each once, and the one that shows them."""
    calls = [run.manifest.calls[0].command for run in comparison.runs if run.manifest.calls]
    return list(dict.fromkeys([*filter(None, calls), command]))


def _versions(comparison: Comparison) -> dict[str, str]:
    """Versions of the first run. The table of runs shows by their hashes which runs had other code."""
    versions = next((run.manifest.versions for run in comparison.runs if run.manifest.versions.cganzoo), None)
    if versions is None:
        return {}
    kept = {key: getattr(versions, key) for key in ("cganzoo", "commit", "torch", "python", "platform")}
    plugins = {name: plugin.version for name, plugin in versions.distributions.items() if name != "cganzoo"}
    return {key: value for key, value in kept.items() if value} | plugins
