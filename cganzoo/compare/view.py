"""The comparison as plain values: what the page, the tables and the terminal show. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from cganzoo._version import __version__
from cganzoo.terminal import number

from . import fairness, statistics
from .cost import cost
from .curves import curves, per_class
from .gathering import Comparison
from .plan import Method
from .scores import Score

if TYPE_CHECKING:
    from .counting import Counted

View = dict[str, Any]


def build(comparison: Comparison, command: str) -> View:
    """Everything but the pictures, as JSON values.

    Args:
        comparison: what is shown.
        command: that shows it.
    """
    methods = comparison.methods
    ranked = comparison.rank_by
    concluded = [] if comparison.conflicts else [s for s in comparison.scores if s.higher_is_better is not None]
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
        "curves": curves(comparison),
        "per_class": per_class(comparison),
        "fairness": fairness_of(comparison),
        "speed": cost(comparison),
        "reproduce": {
            "commands": _commands(comparison, command),
            "versions": _versions(comparison),
            "runs": _runs(comparison),
        },
        "mixed": bool(comparison.conflicts),
        "grids": {"note": "", "classes": [], "methods": {}},
        "neighbours": {},
    }
    for score in concluded:
        pairs, ranks = _uncertainty(comparison, score)
        view["pairs"] += pairs
        view["ranks"] += ranks
    view["summary"] = _summary(comparison, view)
    return view


def published_scores(view: View) -> list[str]:
    """The scores of which a value was published for a method that is shown, in the order of the tables."""
    values = view["published"]["values"].values() if view["published"] else ()
    return [score["name"] for score in view["scores"] if any(score["name"] in row for row in values)]


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
    present = {name: found for name, found in values.items() if found}
    if score.higher_is_better is None or len(present) < 2 or all(len(found) < 2 for found in present.values()):
        return {}  # one seed each: nothing can be concluded, so nothing is set in bold
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
    if comparison.conflicts:
        return ["The scores were measured in different ways, so nothing is concluded from them."]
    if score is None:
        return ["No run has a score that methods could be ranked by."]
    labels = {method.name: method.label for method in comparison.methods}
    cells = {row["method"]: row["cells"][score.name] for row in view["tables"][0]["rows"]}
    present = {name: cell for name, cell in cells.items() if cell["n"]}
    if not present:
        return [f"No run that finished has the score {score.name}."]
    # Equals by name, as the statistics order them.
    sign = -1 if score.higher_is_better else 1
    order = sorted(present, key=lambda name: (sign * present[name]["mean"], name))
    best = order[0]
    if all(cell["n"] < 2 for cell in present.values()):
        leading = f"Best by {score.name} here" if len(present) > 1 else score.name
        told = labels[best] if len(present) > 1 else number(present[best]["mean"])
        return [f"One seed a method: nothing can be concluded. {leading}: {told}."]
    if len(present) == 1:
        return [f"{labels[best]}: {score.name} {_plus_minus(present[best])}."]
    sentences = [f"Best by {score.name}, last checkpoint: {labels[best]}, {_plus_minus(present[best])}."]
    tied = [labels[name] for name in order[1:] if present[name]["mark"] == "tie"]
    beaten = [labels[name] for name in order[1:] if present[name]["mark"] == ""]
    if beaten:
        sentences.append(f"Told apart from it at the 5 % level, corrected for many comparisons: {', '.join(beaten)}.")
    if tied:
        sentences.append(f"Not told apart from it: {', '.join(tied)}.")
    for pair in view["pairs"]:
        if pair["score"] == score.name and {pair["a"], pair["b"]} == set(order[:2]) and pair["ahead"] is not None:
            share = pair["ahead"] if pair["a"] == best else 1 - pair["ahead"]
            shown = "more than 99 %" if share > 0.99 else f"{100 * share:.0f} %"
            sentences.append(f"{labels[best]} is ahead of {labels[order[1]]} in {shown} of resamples.")
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
        runs = comparison.of(method)
        for state in ("diverged", "failed"):
            if seeds := [str(run.cell.seed) for run in runs if run.state == state]:
                told = f"{len(seeds)} of {len(runs)} seeds ({', '.join(seeds)}) {state} and have no part in its scores"
                found.append(f"{method.label}: {told}.")
        finished = sum(run.state == "finished" for run in runs)
        for score in comparison.scores:
            known = len(comparison.last(score.name)[method.name])
            if score.headline and 0 < known < finished:
                found.append(f"{method.label}: {score.name} is not defined for {finished - known} of {finished} seeds.")
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


def _commands(comparison: Comparison, command: str) -> list[str]:
    """Those that trained the runs, each once, and the one that shows them."""
    calls = [(run.manifest.get("calls") or [{}])[0].get("command") for run in comparison.runs]
    return list(dict.fromkeys([*filter(None, calls), command]))


def _versions(comparison: Comparison) -> dict[str, str]:
    """Of the first run; runs of other versions are told apart in the table of runs by their hashes."""
    versions: Mapping[str, Any] = next(
        (run.manifest["versions"] for run in comparison.runs if run.manifest.get("versions")), {}
    )
    plugins = versions.get("distributions") or {}
    kept = {key: versions[key] for key in ("cganzoo", "commit", "torch", "python", "platform") if versions.get(key)}
    return {**kept, **{name: plugin.get("version", "-") for name, plugin in plugins.items() if name != "cganzoo"}}


# --- fairness ---------------------------------------------------------------------------------------------------------


def fairness_of(comparison: Comparison, counted: Mapping[str, Counted] | None = None) -> View:
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


def facts(comparison: Comparison, counted: Mapping[str, Counted] | None = None) -> dict[str, dict[str, str]]:
    """What a reader must see side by side: parameters, images seen, optimizers, protocol.

    Args:
        comparison: what is shown.
        counted: what is known of methods that have not been trained yet, by name.
    """
    found: dict[str, dict[str, str]] = {}
    for method in comparison.methods:
        runs = comparison.of(method)
        manifests = [run.manifest for run in runs]
        parameters: Mapping[str, int] = next(
            (manifest["parameters"] for manifest in manifests if manifest.get("parameters")),
            counted[method.name].parameters if counted and method.name in counted else {},
        )
        described = _describe(method, parameters)
        described["protocol"] = _method(comparison, method)["protocol"] or "-"
        described["device"] = _all(manifest.get("device") for manifest in manifests)
        described["torch"] = _all((manifest.get("versions") or {}).get("torch") for manifest in manifests)
        for name, value in described.items():
            found.setdefault(name, {})[method.name] = value
    return found


def _all(values: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(filter(None, values))) or "-"


def _describe(method: Method, parameters: Mapping[str, int]) -> dict[str, str]:
    train, optimizer = method.values["train"], method.values["optimizer"]
    seen = train["steps"] * train["batch_size"]
    of_discriminator = seen * train.get("discriminator_steps", 1)
    known = {"generator", "trunk", "objective"} <= set(parameters)
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
