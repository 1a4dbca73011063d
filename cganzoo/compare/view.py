"""The comparison as plain values: what the page, the tables and the terminal show. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from cganzoo._version import __version__

from . import conclusions, statistics
from .cost import cost
from .curves import curves, per_class
from .facts import protocol_of, side_by_side
from .gathering import Comparison
from .plan import Method
from .reproduce import reproduce
from .scores import Score

View = dict[str, Any]


def build(comparison: Comparison, command: str) -> View:
    """Everything but the pictures, as JSON values.

    Args:
        comparison: what is shown.
        command: that shows it.
    """
    methods = comparison.methods
    ranked = comparison.rank_by
    pairs, ranks = conclusions.pairs_and_ranks(comparison)
    last, best = _table(comparison, "last"), _table(comparison, "best")
    published = comparison.plan.group.content.published if comparison.plan.group else None
    return {
        "title": comparison.plan.title,
        "note": comparison.plan.group.content.note.strip() if comparison.plan.group else "",
        "version": f"cganzoo {__version__}",
        "created": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "summary": conclusions.summary(comparison, last["rows"], pairs),
        "warnings": conclusions.warnings(comparison),
        "methods": [_method(comparison, method) for method in methods],
        "scores": [vars(score) for score in comparison.scores],
        "rank_by": ranked.name if ranked else None,
        "tables": [last, best] if _evaluated_on_the_way(comparison) else [last],
        "published": None
        if published is None
        else {
            "source": published.source,
            "difference": published.difference.strip(),
            "values": {method.name: dict(method.published) for method in methods if method.published},
        },
        "pairs": pairs,
        "ranks": ranks,
        "curves": curves(comparison),
        "per_class": per_class(comparison),
        "fairness": side_by_side(comparison),
        "speed": cost(comparison),
        "reproduce": reproduce(comparison, command),
        "mixed": bool(comparison.conflicts),
        "grids": {"note": "", "classes": [], "methods": {}},
        "neighbours": {},
    }


def published_scores(view: View) -> list[str]:
    """The scores of which a value was published for a method that is shown, in the order of the tables."""
    values = view["published"]["values"].values() if view["published"] else ()
    return [score["name"] for score in view["scores"] if any(score["name"] in row for row in values)]


def _method(comparison: Comparison, method: Method) -> View:
    runs = comparison.of(method)
    counts = {
        state: sum(run.state == state for run in runs) for state in ("finished", "diverged", "failed", "unfinished")
    }
    return {
        "id": method.name,
        "label": method.label,
        "seeds": [run.cell.seed for run in runs],
        **counts,
        "protocol": protocol_of(runs),
    }


# --- tables ---------------------------------------------------------------------------------------------------------


def _evaluated_on_the_way(comparison: Comparison) -> bool:
    return any(len(run.scores) > 1 for run in comparison.runs if run.state == "finished")


def _table(comparison: Comparison, which: str) -> View:
    rows: list[View] = [{"method": method.name, "cells": {}} for method in comparison.methods]
    for score in comparison.scores:
        values = getattr(comparison, which)(score.name)
        marks = {} if comparison.conflicts else _marks(values, score)
        for row in rows:
            row["cells"][score.name] = _cell(values[row["method"]], marks.get(row["method"], ""))
    ranked = comparison.rank_by.name if comparison.rank_by else ""
    notes = {
        "last": "Scores of each run's last step.",
        "best": f"Scores at the step of each run that is best by {ranked}, of those that were evaluated. It is chosen "
        "by the very samples that are scored, so it flatters; noisy methods most.",
    }
    titles = {"last": "Last checkpoint", "best": "Best checkpoint"}
    real = _real(comparison) if which == "last" else []
    return {"id": which, "title": titles[which], "note": notes[which], "rows": rows, "real": real}


def _cell(values: Sequence[float], mark: str) -> View:
    if not values:
        return {"mean": None, "sd": None, "low": None, "high": None, "bootstrap": None, "n": 0, "mark": ""}
    found = statistics.summary(values)
    low, high = found.interval or (None, None)
    bootstrap = None if found.bootstrap is None else list(found.bootstrap)
    return {"mean": found.mean, "sd": found.sd, "low": low, "high": high, "bootstrap": bootstrap, "n": found.count,
            "mark": mark}  # fmt: skip


def _marks(values: Mapping[str, Sequence[float]], score: Score) -> dict[str, str]:
    # Of one seed nothing can be concluded, so it is not set in bold.
    present = {name: found for name, found in values.items() if len(found) > 1}
    if score.higher_is_better is None or len(present) < 2:
        return {}
    best, tied = statistics.ties(present, higher_is_better=score.higher_is_better)
    return {**dict.fromkeys(tied, "tie"), best: "best"}


def _real(comparison: Comparison) -> list[View]:
    """What the real images score in the place of samples; the same for all methods of one protocol."""
    finished = [run for run in comparison.runs if run.state == "finished"]
    if not finished or comparison.conflicts:
        return []
    rows = []
    for key, label in (("real_test", "real test images"), ("real_halves", "half of the training images")):
        cells: dict[str, float | None] = {}
        for run in finished:
            cells = {**(run.manifest.get(key) or {}), **cells}
        if any(value is not None for value in cells.values()):
            rows.append({"label": label, "cells": {score.name: cells.get(score.name) for score in comparison.scores}})
    return rows
