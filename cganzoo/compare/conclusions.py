"""What the scores allow to say: pairs, ranks, sentences, warnings. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cganzoo.console.reporter import number

from . import fairness, statistics
from .gathering import Comparison
from .plan import Method
from .scores import Score

Row = dict[str, Any]


def pairs_and_ranks(comparison: Comparison) -> tuple[list[Row], list[Row]]:
    """Tests of all pairs and ranks with their uncertainty, score by score; none of mixed protocols."""
    pairs: list[Row] = []
    ranks: list[Row] = []
    for score in () if comparison.conflicts else comparison.scores:
        if score.higher_is_better is not None:
            of_pairs, of_ranks = _uncertainty(comparison, score)
            pairs += of_pairs
            ranks += of_ranks
    return pairs, ranks


def _uncertainty(comparison: Comparison, score: Score) -> tuple[list[Row], list[Row]]:
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


def summary(comparison: Comparison, rows: Sequence[Row], pairs: Sequence[Row]) -> list[str]:
    """What is to be said of the last checkpoints in a few sentences.

    Args:
        comparison: what is shown.
        rows: of the table of last checkpoints.
        pairs: as :func:`pairs_and_ranks` gives them.
    """
    score = comparison.rank_by
    if comparison.conflicts:
        return ["The scores were measured in different ways, so nothing is concluded from them."]
    if score is None:
        return ["No run has a score that methods could be ranked by."]
    labels = {method.name: method.label for method in comparison.methods}
    cells = {row["method"]: row["cells"][score.name] for row in rows}
    present = {name: cell for name, cell in cells.items() if cell["n"]}
    if not present:
        return [f"No run that finished has the score {score.name}."]
    if len(present) == 1 < len(cells):
        (only,) = present
        told = _plus_minus(present[only])
        return [f"Only {labels[only]} has the score {score.name}, {told}: nothing is compared by it."]
    alone = [labels[name] for name, cell in present.items() if cell["n"] == 1]
    # Nothing can be concluded of one seed, unless that is all there is to show.
    several = {name: cell for name, cell in present.items() if cell["n"] > 1} or present
    # Equals by name, as the statistics order them.
    sign = -1 if score.higher_is_better else 1
    order = sorted(several, key=lambda name: (sign * present[name]["mean"], name))
    best = order[0]
    if all(cell["n"] < 2 for cell in present.values()):
        leading = f"Best by {score.name} here" if len(present) > 1 else score.name
        told = labels[best] if len(present) > 1 else number(present[best]["mean"])
        return [f"One seed a method: nothing can be concluded. {leading}: {told}."]
    if len(present) == 1:
        return [f"{labels[best]}: {score.name} {_plus_minus(present[best])}."]
    leading = (
        f"Best by {score.name}, last checkpoint: {labels[best]},"
        if len(several) > 1
        else f"{labels[best]}: {score.name}"
    )
    sentences = [f"{leading} {_plus_minus(present[best])}."]
    tied = [labels[name] for name in order[1:] if present[name]["mark"] == "tie"]
    beaten = [labels[name] for name in order[1:] if present[name]["mark"] == ""]
    if beaten:
        sentences.append(f"Told apart from it at the 5 % level, corrected for many comparisons: {', '.join(beaten)}.")
    if tied:
        sentences.append(f"Not told apart from it: {', '.join(tied)}.")
    for pair in pairs:
        if pair["score"] == score.name and {pair["a"], pair["b"]} == set(order[:2]) and pair["ahead"] is not None:
            share = pair["ahead"] if pair["a"] == best else 1 - pair["ahead"]
            shown = "more than 99 %" if share > 0.99 else f"{100 * share:.0f} %"
            sentences.append(f"{labels[best]} is ahead of {labels[order[1]]} in {shown} of resamples.")
    if alone:
        sentences.append(f"One seed only, so nothing can be concluded of: {', '.join(alone)}.")
    return sentences


def _plus_minus(cell: Mapping[str, Any]) -> str:
    spread = "" if cell["sd"] is None else f" ± {cell['sd']:.2g}"
    return f"{number(cell['mean'])}{spread} ({cell['n']} seed{'s' if cell['n'] > 1 else ''})"


def warnings(comparison: Comparison) -> list[str]:
    """What a reader must know before any number: mixed protocols, runs that are missing, gaps in the table."""
    found = []
    if comparison.conflicts:
        found.append("MIXED PROTOCOLS: these scores must not be compared with one another.")
        found += [f"{sentence}." for sentence in comparison.conflicts]
    left = sum(run.state == "unfinished" for run in comparison.runs)
    if not comparison.complete and left:
        found.append(f"Incomplete: {left} of {len(comparison.plan.cells)} runs have not come to their end.")
    for method in comparison.methods:
        runs = comparison.of(method)
        for state in ("diverged", "failed"):
            if seeds := [str(run.cell.seed) for run in runs if run.state == state]:
                told = f"{len(seeds)} of {len(runs)} seeds ({', '.join(seeds)}) {state} and have no part in its scores"
                found.append(f"{method.label}: {told}.")
        found += [
            f"{method.label}, seed {run.cell.seed}: {reason.rstrip('.')}."
            for run in runs
            if (reason := comparison.errors.get(run.cell, ""))
        ]
        finished = sum(run.state == "finished" for run in runs)
        for score in comparison.scores:
            known = len(comparison.last(score.name)[method.name])
            if score.headline and 0 < known < finished:
                found.append(f"{method.label}: {score.name} is not defined for {finished - known} of {finished} seeds.")
    found += _of_code(comparison.methods)
    found += _of_evaluations(comparison)
    found += [f"{folder.path}: left out: {folder.reason}" for folder in comparison.unreadable]
    found += [f"{sentence}." for sentence in fairness.missing_metrics(comparison.methods)]
    return found


def _of_code(methods: Sequence[Method]) -> list[str]:
    """Where methods were made with different code of one distribution: a sentence for each."""
    sentences = []
    for distribution in dict.fromkeys(name for method in methods for name in method.code):
        by_hash: dict[str, list[str]] = {}
        for method in methods:
            if distribution in method.code:
                by_hash.setdefault(method.code[distribution], []).append(method.label)
        if len(by_hash) > 1:
            groups = "; ".join(f"{', '.join(labels)} with {digest}" for digest, labels in by_hash.items())
            sentences.append(f"Not all were made with the same code of {distribution}: {groups}.")
    return sentences


def _of_evaluations(comparison: Comparison) -> list[str]:
    """Whether best checkpoints were picked from as many evaluations everywhere: more of them flatter more."""
    counts: dict[int, list[str]] = {}
    for run in comparison.runs:
        if run.last is not None:
            counts.setdefault(len(run.scores), []).append(f"{run.cell.method.label} seed {run.cell.seed}")
    if len(counts) < 2:
        return []
    told = "; ".join(
        f"{count} of {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
        for count, names in sorted(counts.items())
    )
    return [f"Best checkpoints are chosen from unequal numbers of evaluations, so compare the last ones: {told}."]
