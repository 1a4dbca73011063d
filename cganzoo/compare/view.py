"""The comparison as plain values: what the page, the tables and the terminal show. No torch."""

from __future__ import annotations

import statistics as plain_statistics
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from cganzoo._version import __version__
from cganzoo.terminal import amount, number

from . import fairness, statistics
from .gathering import Comparison
from .plan import Method
from .reading import Run
from .scores import Score

View = dict[str, Any]


def build(comparison: Comparison, commands: Sequence[str] = ()) -> View:
    """Everything but the pictures, as JSON values.

    Args:
        comparison: what is shown.
        commands: that make it again.
    """
    methods = comparison.methods
    ranked = comparison.rank_by
    last, best = _table(comparison, "last"), _table(comparison, "best")
    published = comparison.plan.group.content.published if comparison.plan.group else None
    view: View = {
        "title": comparison.plan.title,
        "note": comparison.plan.group.content.note.strip() if comparison.plan.group else "",
        "version": f"cganzoo {__version__}",
        "created": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "warnings": _warnings(comparison),
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
        "pairs": [],
        "ranks": [],
        "curves": _curves(comparison),
        "per_class": _per_class(comparison),
        "fairness": fairness_of(comparison),
        "speed": _speed(comparison),
        "reproduce": {"commands": list(commands), "versions": _versions(comparison), "runs": _runs(comparison)},
        "mixed": bool(comparison.conflicts),
        "grids": {"note": "", "classes": [], "methods": {}},
        "neighbours": {},
    }
    for score in comparison.scores:
        if score.higher_is_better is not None:
            pairs, ranks = _uncertainty(comparison, score)
            view["pairs"] += pairs
            view["ranks"] += ranks
    view["summary"] = _summary(comparison, view)
    return view


# --- tables ---------------------------------------------------------------------------------------------------------


def _evaluated_on_the_way(comparison: Comparison) -> bool:
    return any(len(run.scores) > 1 for run in comparison.runs if run.state == "finished")


def _table(comparison: Comparison, which: str) -> View:
    rows: list[View] = [{"method": method.name, "cells": {}} for method in comparison.methods]
    for score in comparison.scores:
        values = getattr(comparison, which)(score.name)
        marks = _marks(values, score)
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
    present = {name: found for name, found in values.items() if found}
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


# --- what can be concluded ------------------------------------------------------------------------------------------


def _uncertainty(comparison: Comparison, score: Score) -> tuple[list[View], list[View]]:
    values = {name: found for name, found in comparison.last(score.name).items() if found}
    if len(values) < 2:
        return [], []
    ranking = statistics.ranking(values, higher_is_better=bool(score.higher_is_better))
    pairs = [
        {
            "score": score.name,
            "a": pair.a,
            "b": pair.b,
            "difference": pair.difference,
            "p": pair.p,
            "p_corrected": pair.p_corrected,
            "ahead": ranking.ahead.get((pair.a, pair.b)) if ranking else None,
        }
        for pair in statistics.pairwise(values)
    ]
    ranks = [
        {"score": score.name, "method": name, "rank": rank, "low": low, "high": high}
        for name, (rank, low, high) in (ranking.ranks.items() if ranking else ())
    ]
    return pairs, ranks


def _summary(comparison: Comparison, view: View) -> list[str]:
    score = comparison.rank_by
    if score is None:
        return ["No run has a score that methods could be ranked by."]
    labels = {method.name: method.label for method in comparison.methods}
    cells = {row["method"]: row["cells"][score.name] for row in view["tables"][0]["rows"]}
    present = {name: cell for name, cell in cells.items() if cell["n"]}
    if len(present) < 2:
        return [f"{labels[name]}: {score.name} {_plus_minus(cell)}." for name, cell in present.items()]
    order = sorted(present, key=lambda name: present[name]["mean"] * (-1 if score.higher_is_better else 1))
    best = order[0]
    if all(cell["n"] < 2 for cell in present.values()):
        return [f"One seed a method: nothing can be concluded. Best by {score.name} here: {labels[best]}."]
    sentences = [f"Best by {score.name}, last checkpoint: {labels[best]}, {_plus_minus(present[best])}."]
    tied = [labels[name] for name in order[1:] if present[name]["mark"] == "tie"]
    beaten = [labels[name] for name in order[1:] if present[name]["mark"] == ""]
    if beaten:
        sentences.append(f"Told apart from it at the 5 % level, corrected for many comparisons: {', '.join(beaten)}.")
    if tied:
        sentences.append(f"Not told apart from it: {', '.join(tied)}.")
    ahead = {frozenset((pair["a"], pair["b"])): pair for pair in view["pairs"] if pair["score"] == score.name}
    pair = ahead.get(frozenset(order[:2]))
    if pair and pair["ahead"] is not None:
        share = pair["ahead"] if pair["a"] == best else 1 - pair["ahead"]
        sentences.append(f"{labels[best]} is ahead of {labels[order[1]]} in {share:.0%} of resamples.")
    if alone := [labels[name] for name, cell in present.items() if cell["n"] == 1]:
        sentences.append(f"One seed only, so nothing can be concluded of: {', '.join(alone)}.")
    return sentences


def _plus_minus(cell: View) -> str:
    spread = "" if cell["sd"] is None else f" ± {cell['sd']:.2g}"
    return f"{number(cell['mean'])}{spread} ({cell['n']} seed{'s' if cell['n'] > 1 else ''})"


def _warnings(comparison: Comparison) -> list[str]:
    found = []
    if comparison.conflicts:
        found.append("MIXED PROTOCOLS: these scores must not be compared with one another.")
        found += [f"{sentence}." for sentence in comparison.conflicts]
    if not comparison.complete:
        left = sum(run.state == "unfinished" for run in comparison.runs)
        found.append(f"Incomplete: {left} of {len(comparison.plan.cells)} runs have not come to their end.")
    for method in comparison.methods:
        states = [run.state for run in comparison.of(method)]
        for state, verb in (("diverged", "diverged and have"), ("failed", "failed and have")):
            if count := states.count(state):
                seeds = ", ".join(str(run.cell.seed) for run in comparison.of(method) if run.state == state)
                found.append(f"{method.label}: {count} of {len(states)} seeds ({seeds}) {verb} no part in its scores.")
    found += [f"{folder.path}: left out: {folder.reason}" for folder in comparison.unreadable]
    found += [f"{sentence}." for sentence in fairness.missing_metrics(comparison.methods)]
    return found


# --- methods and runs -----------------------------------------------------------------------------------------------


def _method(comparison: Comparison, method: Method) -> View:
    runs = comparison.of(method)
    counts = {
        state: sum(run.state == state for run in runs) for state in ("finished", "diverged", "failed", "unfinished")
    }
    protocols = {(run.manifest.get("protocol") or {}).get("fingerprint") for run in runs if run.last is not None}
    return {
        "id": method.name,
        "label": method.label,
        "seeds": [run.cell.seed for run in runs],
        **counts,
        "protocol": ", ".join(sorted(filter(None, protocols))) or None,
    }


def _runs(comparison: Comparison) -> list[View]:
    found = []
    for run in comparison.runs:
        manifest = run.manifest
        found.append(
            {
                "method": run.cell.method.name,
                "seed": run.cell.seed,
                "state": run.state,
                "recipe": manifest.get("recipe"),
                "code": manifest.get("code") or {},
                "commit": (manifest.get("versions") or {}).get("commit"),
                "device": manifest.get("device"),
                "folder": str(run.cell.folder.path),
                "error": comparison.errors.get(run.cell)
                or (manifest.get("error") or "" if run.state == "diverged" else ""),
                "best_step": run.best_step(comparison.rank_by.name, bool(comparison.rank_by.higher_is_better))
                if comparison.rank_by
                else None,
                "scores": {str(step): dict(scores) for step, scores in sorted(run.scores.items())},
            }
        )
    return found


def _versions(comparison: Comparison) -> dict[str, str]:
    """Of the first run; runs of other versions are told apart in the table of runs by their hashes."""
    versions: Mapping[str, Any] = next(
        (run.manifest["versions"] for run in comparison.runs if run.manifest.get("versions")), {}
    )
    plugins = versions.get("distributions") or {}
    kept = {key: versions[key] for key in ("cganzoo", "commit", "torch", "python", "platform") if versions.get(key)}
    return {**kept, **{name: plugin["version"] for name, plugin in plugins.items() if name != "cganzoo"}}


# --- curves ---------------------------------------------------------------------------------------------------------


def _curves(comparison: Comparison) -> View:
    scores: View = {}
    for score in comparison.scores:
        of = {m.name: _curve([_column(run.scores, score.name) for run in comparison.of(m)]) for m in comparison.methods}
        scores[score.name] = {name: curve for name, curve in of.items() if curve["step"]}
    names = dict.fromkeys(name for run in comparison.runs for terms in run.terms.values() for name in terms)
    terms: View = {}
    for name in names:
        of = {m.name: _curve([_column(run.terms, name) for run in comparison.of(m)]) for m in comparison.methods}
        terms[name] = {method: curve for method, curve in of.items() if curve["step"]}
    return {"scores": scores, "terms": terms}


def _column(records: Mapping[int, Mapping[str, float | None]], name: str) -> dict[int, float]:
    return {step: value for step, record in records.items() if (value := record.get(name)) is not None}


def _curve(runs: Sequence[Mapping[int, float]]) -> View:
    """Mean over the seeds at each step, and the band from the lowest to the highest of them."""
    steps = sorted({step for run in runs for step in run})
    at = [[run[step] for run in runs if step in run] for step in steps]
    return {
        "step": steps,
        "mean": [plain_statistics.fmean(values) for values in at],
        "low": [min(values) for values in at],
        "high": [max(values) for values in at],
        "n": [len(values) for values in at],
    }


def _per_class(comparison: Comparison) -> View:
    classes: list[str] = []
    scores: View = {}
    for method in comparison.methods:
        found: dict[str, list[list[float | None]]] = {}
        for run in comparison.of(method):
            if run.state == "finished" and not comparison.conflicts:
                classes = classes or list(run.manifest.get("classes") or [])
                for name, values in (run.manifest.get("per_class") or {}).items():
                    found.setdefault(name, []).append(values)
        for name, seeds in found.items():
            columns = [[value for value in column if value is not None] for column in zip(*seeds, strict=False)]
            scores.setdefault(name, {})[method.name] = [plain_statistics.fmean(c) if c else None for c in columns]
    return {"classes": classes, "scores": scores}


# --- fairness and cost ----------------------------------------------------------------------------------------------


def fairness_of(comparison: Comparison, counted: Mapping[str, Mapping[str, int]] | None = None) -> View:
    """What differs between the recipes, and :func:`facts`."""
    methods = comparison.methods
    found = fairness.differences(methods)
    unexpected = [difference.key for difference in found if not difference.expected]
    notes = (
        [f"Beside [loss] and [requires], the recipes differ in: {', '.join(unexpected)}."]
        if unexpected
        else ["Beside [loss] and [requires], the recipes are the same."]
    )
    shown = facts(comparison, counted)
    return {
        "differences": [{"key": d.key, "values": dict(d.values), "expected": d.expected} for d in found]
        if len(methods) > 1
        else [],
        "facts": [{"name": name, "values": values} for name, values in shown.items()],
        "notes": notes if len(methods) > 1 else [],
    }


def facts(comparison: Comparison, counted: Mapping[str, Mapping[str, int]] | None = None) -> dict[str, dict[str, str]]:
    """What a reader must see side by side: parameters, images seen, optimizers, protocol.

    Args:
        comparison: what is shown.
        counted: parameters of methods that have not been trained yet, by name.
    """
    found: dict[str, dict[str, str]] = {}
    for method in comparison.methods:
        runs = comparison.of(method)
        parameters: Mapping[str, int] = next(
            (run.manifest["parameters"] for run in runs if run.manifest.get("parameters")),
            (counted or {}).get(method.name, {}),
        )
        described = _describe(method, parameters)
        described["protocol"] = _method(comparison, method)["protocol"] or "-"
        for name, value in described.items():
            found.setdefault(name, {})[method.name] = value
    return found


def _describe(method: Method, parameters: Mapping[str, int]) -> dict[str, str]:
    train, optimizer = method.values["train"], method.values["optimizer"]
    seen = train["steps"] * train["batch_size"]
    of_discriminator = seen * train.get("discriminator_steps", 1)
    known = bool(parameters)
    return {
        "generator parameters": f"{parameters['generator']:,}" if known else "-",
        "discriminator parameters": f"{parameters['trunk'] + parameters['objective']:,}" if known else "-",
        "generator steps": f"{train['steps']:,}",
        "real images seen": f"{of_discriminator:,}",
        "generator's optimizer": _optimizer(optimizer["generator"]),
        "discriminator's optimizer": _optimizer(optimizer["discriminator"]),
        "average of weights (EMA)": str(train.get("ema_decay", "-")),
    }


def _optimizer(values: Mapping[str, Any]) -> str:
    rest = [f"{key} {_plain(value)}" for key, value in values.items() if key != "name" and value is not None]
    return ", ".join([str(values["name"]), *rest])


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items()) + ")"
    return str(value)


def _speed(comparison: Comparison) -> list[View]:
    rows: dict[str, dict[str, str]] = {"images a second": {}, "training time of a run": {}, "peak memory": {}}
    target = _target(comparison)
    if target is not None and comparison.rank_by:
        rows[f"time to reach {comparison.rank_by.name} {number(target)}"] = {}
    for method in comparison.methods:
        runs = [run for run in comparison.of(method) if run.state == "finished"]
        columns: list[list[str]] = [
            [f"{speed:,.0f}" for speed in _median([run.images_per_second for run in runs])],
            [_duration(seconds) for seconds in _median([run.manifest.get("seconds") for run in runs])],
            [_memory(run) for run in runs[:1]],
        ]
        if len(rows) > len(columns):
            columns.append(_reached(comparison, runs, target))
        for row, shown in zip(rows.values(), columns, strict=True):
            row[method.name] = shown[0] if shown else "-"
    return [{"name": name, "values": values} for name, values in rows.items() if any(v != "-" for v in values.values())]


def _median(values: Sequence[float | None]) -> list[float]:
    known = [value for value in values if value is not None]
    return [plain_statistics.median(known)] if known else []


def _memory(run: Run) -> str:
    parts = [f"{amount(size)} ({name})" for name, size in (run.manifest.get("peak_memory") or {}).items()]
    return ", ".join(parts) or "-"


def _target(comparison: Comparison) -> float | None:
    """The score that every method reaches at last: that of the worst one."""
    score = comparison.rank_by
    if score is None:
        return None
    means = [plain_statistics.fmean(values) for values in comparison.last(score.name).values() if values]
    return (min(means) if score.higher_is_better else max(means)) if len(means) > 1 else None


def _reached(comparison: Comparison, runs: Sequence[Run], target: float | None) -> list[str]:
    """Training time until the first evaluation that is as good as ``target``; the median over the seeds."""
    score = comparison.rank_by
    if score is None or target is None or not runs:
        return []
    times = []
    for run in runs:
        known = {step: value for step, scores in run.scores.items() if (value := scores.get(score.name)) is not None}
        good = [s for s, value in known.items() if (value >= target if score.higher_is_better else value <= target)]
        seconds = run.seconds_at(min(good)) if good else None
        times.append(float("inf") if seconds is None else seconds)
    middle = plain_statistics.median(times)
    reached = sum(time < float("inf") for time in times)
    shown = _duration(middle) if middle < float("inf") else "not reached"
    return [shown if reached == len(times) else f"{shown} ({reached} of {len(times)} seeds)"]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
