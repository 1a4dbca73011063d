"""The conclusions from the scores: pairs, ranks, the summary, the warnings. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cganzoo._util.text import listed
from cganzoo.console.reporter import number

from . import failures, fairness, statistics
from .comparison import Comparison, ScoreColumn
from .matrix import Method
from .read import ENDED
from .signs import Sign, suspects
from .signs import warnings as about_signs
from .statistics import LEVEL

Row = dict[str, Any]


def pairs_and_ranks(comparison: Comparison) -> tuple[list[Row], list[Row]]:
    """Tests of all pairs, and ranks with their uncertainty, for each score; none if methods were scored differently."""
    pairs: list[Row] = []
    ranks: list[Row] = []
    for score in () if comparison.conflicts else comparison.scores:
        values = {name: found for name, found in comparison.last(score.name).items() if found}
        if score.higher_is_better is None or len(values) < 2:
            continue
        ranking = statistics.ranking(values, higher_is_better=score.higher_is_better)
        for pair in statistics.pairwise(values):
            ahead = ranking.ahead.get((pair.a, pair.b)) if ranking else None
            pairs.append({"score": score.name, **vars(pair), "ahead": ahead})
        for name, (rank, low, high) in (ranking.ranks if ranking else {}).items():
            ranks.append({"score": score.name, "method": name, "rank": rank, "low": low, "high": high})
    return pairs, ranks


def summary(comparison: Comparison, rows: Sequence[Row], pairs: Sequence[Row], signs: Sequence[Sign]) -> list[str]:
    """A few sentences that summarize the scores of the last checkpoints."""
    score = comparison.rank_by
    if comparison.conflicts:
        return ["The scores were measured in different ways, so nothing is concluded from them."]
    if score is None and len(comparison.methods) == 1:  # there is nothing to rank
        score = next((score for score in comparison.scores if score.headline), None)
    if score is None:
        return [_why_nothing_ranks(comparison)]
    labels = {method.name: method.label for method in comparison.methods}
    cells = {row["method"]: row["cells"][score.name] for row in rows}
    present = {name: cell for name, cell in cells.items() if cell["n"]}
    several = {name: cell for name, cell in present.items() if cell["n"] > 1}
    # Equals by name, as in the statistics. One seed supports no conclusion, so it is never called the best.
    sign = -1 if score.higher_is_better else 1
    order = sorted(several or present, key=lambda name: (sign * present[name]["mean"], name))
    if not present:
        return [f"No finished run has the score {score.name}."]
    best = order[0]
    if len(present) == 1 < len(cells):
        return [f"Only {labels[best]} has the score {score.name}, {_plus_minus(present[best])}: nothing to compare."]
    doubt = _doubt(score, labels[best], best in suspects(signs, score.name))
    extreme = f"{'Highest' if score.higher_is_better else 'Lowest'} {score.name}"
    if not several:
        first = f"{extreme if doubt else f'Best by {score.name}'} here: {labels[best]}"
        only = f"{score.name}: {number(present[best]['mean'])}"
        shown = f"{first}.{doubt}" if len(present) > 1 else f"{only}."
        return [f"One seed per method: nothing can be concluded. {shown}"]
    if len(present) == 1:
        return [f"{labels[best]}: {score.name} {_plus_minus(present[best])}."]
    leading = (
        f"{extreme if doubt else f'Best by {score.name}'}, last checkpoint: {labels[best]},"
        if len(several) > 1
        else f"{labels[best]}: {score.name}"
    )
    sentences = [f"{leading} {_plus_minus(present[best])}.{doubt if len(several) > 1 else ''}"]
    against = {
        pair["b"] if pair["a"] == best else pair["a"]: pair
        for pair in pairs
        if pair["score"] == score.name and best in (pair["a"], pair["b"])
    }
    worse = [name for name in order[1:] if (p := against[name]["p_corrected"]) is not None and p < LEVEL]
    tied = [labels[name] for name in order[1:] if name not in worse]
    if worse:
        names = ", ".join(labels[name] for name in worse)
        sentences.append(f"Significantly worse at the 5 % level, corrected for many comparisons: {names}.")
    if tied:
        sentences.append(f"Not significantly different from it: {', '.join(tied)}.")
    if len(order) > 1 and (ahead := against[order[1]]["ahead"]) is not None:
        share = ahead if against[order[1]]["a"] == best else 1 - ahead
        shown = "more than 99 %" if share > 0.99 else f"{100 * share:.0f} %"
        sentences.append(f"{labels[best]} is ahead of {labels[order[1]]} in {shown} of resamples.")
    if alone := [labels[name] for name in present if name not in several]:
        sentences.append(f"Only one seed, so nothing can be concluded about: {', '.join(alone)}.")
    return sentences


def _why_nothing_ranks(comparison: Comparison) -> str:
    names = [score.name for score in comparison.scores if score.headline or score.higher_is_better is not None]
    if not names:
        return "No run has a score that methods can be ranked by."
    return (
        f"No method is called the best: a collapsed generator can have the best value of {listed(names, 'and')}. Add a "
        "metric that compares the variety of samples with that of real images (docs/compare.md lists them), or choose "
        "a score with --rank-by."
    )


def _doubt(score: ScoreColumn, label: str, suspect: bool) -> str:
    """Why the method with the best mean is not called the best; empty if it is."""
    if suspect:
        return f" {label} is not called the best: see the warnings."
    if score.rank_order is None:
        return f" A collapsed generator can win {score.name}, so no method is called the best."
    return ""


def mean_and_spread(cell: Mapping[str, Any]) -> str:
    """``1.234 ± 0.056``; a dash or "failed" if there is no value, and no spread for one seed."""
    if cell["mean"] is None and cell.get("failed"):
        return "failed"
    return number(cell["mean"]) + ("" if cell["sd"] is None else f" ± {cell['sd']:.2g}")


def _plus_minus(cell: Mapping[str, Any]) -> str:
    return f"{mean_and_spread(cell)} ({cell['n']} seed{'s' if cell['n'] > 1 else ''})"


def warnings(comparison: Comparison, signs: Sequence[Sign]) -> list[str]:
    """Warnings for the reader of the numbers: suspicious scores, different protocols, missing runs, gaps."""
    found = []
    if comparison.conflicts:
        found.append("MIXED PROTOCOLS: these scores must not be compared with one another.")
        found += [f"{message}." for message in comparison.conflicts.values()]
    found += about_signs(signs, {method.name: method.label for method in comparison.methods})
    if left := sum(run.state not in ENDED for run in comparison.runs):
        found.append(f"Incomplete: {left} of {len(comparison.matrix.cells)} runs have not finished.")
    for method in comparison.methods:
        found += _about_runs(comparison, method)
    found += _different_code(comparison.methods)
    found += failures.warnings(comparison)
    found += _different_evaluations(comparison)
    found += [f"Damaged, and left out: {message.rstrip('.')}." for message in comparison.skipped]
    found += [f"{message}." for message in fairness.missing_metrics(comparison.methods)]
    return found


def _about_runs(comparison: Comparison, method: Method) -> list[str]:
    """Warnings about runs that do not count in a method's scores, and about scores that some of its runs lack."""
    runs, finished = comparison.of(method), len(comparison.finished(method))
    found: list[str] = []
    for state in ("diverged", "failed"):
        if seeds := [str(run.cell.seed) for run in runs if run.state == state]:
            count = f"{len(seeds)} of {len(runs)} seeds ({', '.join(seeds)})"
            found.append(f"{method.label}: {count} {state} and are not included in its scores.")
    for run in runs:
        if run.damaged_lines:
            lines = f"{run.damaged_lines} damaged line{'s' if run.damaged_lines > 1 else ''}"
            file = run.cell.folder.metrics_file
            found.append(f"{run.cell}: {lines} of {file} left out, so curves and earlier scores may be incomplete.")
        if run.state == "interrupted":
            at = "" if run.manifest.step is None else f" after step {run.manifest.step}"
            found.append(f"{run.cell}: was interrupted{at}: its process has ended. Its recipe, run again, resumes it.")
    found += [f"{run.cell}: {error.rstrip('.')}." for run in runs if (error := comparison.errors.get(run.cell))]
    for score in comparison.scores:
        known = len(comparison.last(score.name)[method.name])
        missing = finished - known - failures.failed_runs(comparison.finished(method), score.metric)
        if score.headline and known and missing > 0:
            found.append(f"{method.label}: {score.name} is not defined for {missing} of {finished} seeds.")
    return found


def _different_code(methods: Sequence[Method]) -> list[str]:
    """A warning for each distribution whose code is not the same in all methods."""
    found = []
    for distribution in dict.fromkeys(name for method in methods for name in method.code):
        labels: dict[str, list[str]] = {}
        for method in methods:
            if distribution in method.code:
                labels.setdefault(method.code[distribution], []).append(method.label)
        if len(labels) > 1:
            groups = "; ".join(f"{', '.join(names)} with {digest}" for digest, names in labels.items())
            found.append(f"The code of {distribution} is not the same in all methods: {groups}.")
    return found


def _different_evaluations(comparison: Comparison) -> list[str]:
    """The best of many evaluations looks better than the best of few, so their numbers should be equal."""
    runs: dict[int, list[str]] = {}
    for run in comparison.runs:
        if run.last_step is not None:
            runs.setdefault(len(run.scores), []).append(f"{run.cell.method.label} seed {run.cell.seed}")
    if len(runs) < 2:
        return []
    counts = "; ".join(
        f"{count} for {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
        for count, names in sorted(runs.items())
    )
    return [
        "Best checkpoints are chosen from unequal numbers of evaluations, so compare the last checkpoints instead: "
        f"{counts}."
    ]
