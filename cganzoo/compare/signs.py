"""Signs that a good score says nothing: it is much better than that of real images, or the generator has collapsed.

What an output of a metric declares decides how it is judged; see :class:`cganzoo.MetricOutput`. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from cganzoo.console.reporter import number

if TYPE_CHECKING:
    from .comparison import Comparison, ScoreColumn
    from .read import Run

BETTER = 0.5  # much better than real images: half the distance to the best possible value, or less
LEAST_GAIN = 0.05  # of a score's range: 0.999 is not much better than 0.997
COLLAPSED = 0.25  # a quarter of the distance of real images to the worst possible value, or less
BEYOND = 1.5  # much better, for a score without a best possible value: this many times as far from the worst one

BETTER_NOTE = (
    "This does not show that the samples are better than real images: they may be copies, easy images or noise, or "
    "there are simply more of them (docs/metrics.md, How to read the scores of real images)."
)
COLLAPSE_NOTE = (
    "The samples vary much less than real images, or are unlike them. Other scores can still be good: some reward one "
    "clear image of each class (docs/metrics.md, The scores of known cases)."
)


@dataclass(frozen=True)
class Sign:
    """A suspicious score of a method.

    Attributes:
        kind: ``"better"``: much better than that of real images; ``"collapse"``: of a generator without variety.
        method: the method's name.
        seeds: the seeds with this sign.
        every: whether these are all finished and scored seeds of the method.
        value: mean over these seeds; ``real``: mean of the same score of real images.
    """

    kind: Literal["better", "collapse"]
    method: str
    score: str
    seeds: tuple[int, ...]
    every: bool
    value: float
    real: float


def find_signs(comparison: Comparison) -> list[Sign]:
    """The signs in the scores of the last checkpoints, by kind, method and score."""
    found = []
    for kind in ("better", "collapse"):
        for method in comparison.methods:
            runs = [run for run in comparison.finished(method) if run.last_step is not None]
            for score in comparison.scores:
                each = [(run.cell.seed, *pair) for run in runs if (pair := _judged(kind, run, score))]
                if each:
                    seeds, values, real = zip(*each, strict=True)
                    every = len(each) == len(runs)
                    found.append(Sign(kind, method.name, score.name, seeds, every, fmean(values), fmean(real)))
    return found


def suspects(signs: Sequence[Sign], score: str) -> set[str]:
    """The methods that a score must not make the best: they may have collapsed, or it is much better than real."""
    return {sign.method for sign in signs if sign.kind == "collapse" or sign.score == score}


def warnings(signs: Sequence[Sign], labels: Mapping[str, str]) -> Iterator[str]:
    """A warning for each kind of sign, with the methods and the scores that show it."""
    for kind, words, note in (
        ("collapse", "Signs of collapse", COLLAPSE_NOTE),
        ("better", "Much better than real images", BETTER_NOTE),
    ):
        methods = []
        for name, label in labels.items():
            mine = [sign for sign in signs if (sign.kind, sign.method) == (kind, name)]
            if mine:
                methods.append(f"{label} ({'; '.join(_described(sign) for sign in mine)})")
        if methods:
            yield f"{words}: {', '.join(methods)}. {note}"


def _described(sign: Sign) -> str:
    of_seeds = "" if sign.every else f" of seed{'s' if len(sign.seeds) > 1 else ''} {', '.join(map(str, sign.seeds))}"
    return f"{sign.score} {number(sign.value)}{of_seeds}, real images {number(sign.real)}"


def _judged(kind: str, run: Run, score: ScoreColumn) -> tuple[float, float] | None:
    """The value of a run's last checkpoint and that of real images, if they are a sign."""
    evaluation = run.manifest.evaluation
    value = None if run.last_step is None else run.scores[run.last_step].get(score.name)
    if evaluation is None or value is None or score.higher_is_better is None:
        return None
    rows: tuple[Mapping[str, Any], ...] = (evaluation.real_test, evaluation.real_halves)
    real = [found for row in rows if (found := row.get(score.name)) is not None]
    if not real:
        return None
    up = score.higher_is_better
    if kind == "better":  # than both rows
        best = max(real) if up else min(real)
        return (value, best) if _much_better(value, best, score) else None
    least = min(real) if up else max(real)
    worst = score.worst
    collapsed = score.diversity and worst is not None and abs(value - worst) <= COLLAPSED * abs(least - worst)
    return (value, least) if collapsed and value != least else None


def _much_better(value: float, real: float, score: ScoreColumn) -> bool:
    up = score.higher_is_better
    if not (value > real if up else value < real):
        return False
    best, worst = (score.high, score.low) if up else (score.low, score.high)
    if best is None:
        return worst is not None and abs(value - worst) >= BEYOND * abs(real - worst)
    if worst is not None and abs(value - real) < LEAST_GAIN * abs(best - worst):
        return False
    return abs(value - best) <= BETTER * abs(real - best)
