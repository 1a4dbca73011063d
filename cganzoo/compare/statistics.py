"""What can be concluded from few seeds: intervals, tests corrected for their number, ranks with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

LEVEL = 0.05


@dataclass(frozen=True)
class Summary:
    """Values of one score over the seeds of a method.

    Attributes:
        count: of values.
        mean: of the values.
        sd: standard deviation with ``count - 1`` degrees of freedom; ``None`` of one value.
        interval: 95 % interval of the mean by Student's t.
        bootstrap: 95 % percentile bootstrap interval of the mean.
    """

    count: int
    mean: float
    sd: float | None
    interval: tuple[float, float] | None
    bootstrap: tuple[float, float] | None


def summary(values: Sequence[float], *, resamples: int = 9_999, seed: int = 0) -> Summary:
    """Mean and spread.

    With 3 seeds of a normal score the bootstrap interval holds the true mean in about 75 % of the cases, not 95 %: it
    knows no value beyond the three. Student's interval is the one to trust, where values are roughly normal.

    Args:
        values: one a seed, finite.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ValueError: there is no value, or one is not finite.
    """
    found = _checked(values)
    if len(found) < 2:
        return Summary(len(found), _mean(found), None, None, None)
    mean, sd = _mean(found), float(found.std(ddof=1))
    if not np.ptp(found):
        return Summary(len(found), mean, 0.0, (mean, mean), (mean, mean))
    half = float(stats.t.ppf(0.975, len(found) - 1)) * sd / np.sqrt(len(found))
    drawn = stats.bootstrap(
        (found,), np.mean, n_resamples=resamples, method="percentile", random_state=np.random.default_rng(seed)
    ).confidence_interval
    return Summary(
        len(found), mean, sd, (float(mean - half), float(mean + half)), (float(drawn.low), float(drawn.high))
    )


@dataclass(frozen=True)
class Pair:
    """Two methods by one score.

    Attributes:
        a: a method.
        b: another.
        difference: mean of ``a`` less mean of ``b``.
        p: of the two-sided test; ``None`` where one of them has fewer than two seeds.
        p_corrected: by Holm's method, over all pairs.
    """

    a: str
    b: str
    difference: float
    p: float | None
    p_corrected: float | None


def pairwise(samples: Mapping[str, Sequence[float]]) -> list[Pair]:
    """Every pair of methods: Welch's t test, corrected for their number.

    Where neither has any spread, t is not defined; the exact permutation test takes its place.

    Raises:
        ValueError: a method has no value, or one is not finite.
    """
    checked = {name: _checked(values) for name, values in samples.items()}
    pairs = list(combinations(checked, 2))
    p = {(a, b): _test(checked[a], checked[b]) for a, b in pairs}
    known = [pair for pair in pairs if p[pair] is not None]
    corrected = dict(zip(known, holm([p[pair] or 0.0 for pair in known]), strict=True))
    return [Pair(a, b, _mean(checked[a]) - _mean(checked[b]), p[a, b], corrected.get((a, b))) for a, b in pairs]


def _test(a: np.ndarray, b: np.ndarray) -> float | None:
    if min(len(a), len(b)) < 2:
        return None
    if not (np.ptp(a) or np.ptp(b)):

        def difference(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
            return np.asarray(x.mean(axis=axis) - y.mean(axis=axis))

        return float(stats.permutation_test((a, b), difference, vectorized=True, n_resamples=np.inf).pvalue)
    return float(stats.ttest_ind(a, b, equal_var=False).pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected so that the chance of any false difference stays below the level (Holm, 1979)."""
    order = np.argsort(p, kind="stable")
    corrected = [0.0] * len(p)
    most = 0.0
    for place, index in enumerate(order):
        most = max(most, min(1.0, (len(p) - place) * p[index]))
        corrected[index] = most
    return corrected


def ties(
    samples: Mapping[str, Sequence[float]], *, higher_is_better: bool, level: float = LEVEL
) -> tuple[str, set[str]]:
    """The best method by its mean, and those that cannot be told apart from it.

    The correction is over all pairs, as in :func:`pairwise`: which method is best was not known beforehand, so all of
    them were looked at.

    Raises:
        ValueError: there is no method, or a method has no value.
    """
    best = _order({name: _mean(_checked(values)) for name, values in samples.items()}, higher_is_better)[0]
    tied = set()
    for pair in pairwise(samples):
        if best in (pair.a, pair.b) and (pair.p_corrected is None or pair.p_corrected >= level):
            tied.add(pair.b if pair.a == best else pair.a)
    return best, tied


@dataclass(frozen=True)
class Ranking:
    """Order of the methods, and how sure it is.

    Attributes:
        ranks: by method its rank by mean, 1 the best, and the 95 % interval of its rank.
        ahead: for each ordered pair, the share of resamples in which the first is better; equals count half.
    """

    ranks: dict[str, tuple[int, int, int]]
    ahead: dict[tuple[str, str], float]


def ranking(
    samples: Mapping[str, Sequence[float]], *, higher_is_better: bool, resamples: int = 10_000, seed: int = 0
) -> Ranking | None:
    """Ranks of the methods' means under resampling; ``None`` where no method has two seeds.

    A resampled mean is ``mean + sd / sqrt(n) * t`` with t of Student's distribution of n - 1 degrees of freedom: a
    parametric bootstrap. Drawing 3 values of 3 with replacement has 10 outcomes, none beyond the three, and would call
    an order sure that is not.

    A method with one seed has a rank, an interval of all ranks, and no share: its spread is not known.

    Raises:
        ValueError: a method has no value, or one is not finite.
    """
    checked = {name: _checked(values) for name, values in samples.items()}
    if all(len(values) < 2 for values in checked.values()):
        return None
    means = {name: _mean(values) for name, values in checked.items()}
    order = _order(means, higher_is_better)
    known = [name for name in order if len(checked[name]) > 1]
    drawn = {}
    for name in sorted(known):  # so that the order of methods changes nothing
        values = checked[name]
        # Each method has its own stream; its name, not its place, decides which.
        random = np.random.default_rng([seed, *name.encode()])
        spread = values.std(ddof=1) / np.sqrt(len(values)) if np.ptp(values) else 0.0
        drawn[name] = means[name] + spread * random.standard_t(len(values) - 1, resamples)
    sign = 1 if higher_is_better else -1
    ahead = {
        (a, b): float(np.mean(sign * drawn[a] > sign * drawn[b]) + np.mean(drawn[a] == drawn[b]) / 2)
        for a in known
        for b in known
        if a != b
    }
    ranks = {name: (place, 1, len(order)) for place, name in enumerate(order, 1)}
    if len(known) == len(order):
        table = np.stack([sign * drawn[name] for name in order])
        place = 1 + (table[None, :] > table[:, None]).sum(1)
        low, high = np.quantile(place, [0.025, 0.975], axis=1, method="nearest")
        ranks = {
            name: (rank, int(low[index]), int(high[index])) for index, (name, (rank, _, _)) in enumerate(ranks.items())
        }
    return Ranking(ranks, ahead)


def _order(means: Mapping[str, float], higher_is_better: bool) -> list[str]:
    """Names, the best first; equals by name, so that the order of methods changes nothing."""
    if not means:
        raise ValueError("there is no method to rank")
    return sorted(means, key=lambda name: (-means[name] if higher_is_better else means[name], name))


def _checked(values: Sequence[float]) -> np.ndarray:
    found = np.asarray(values, dtype=np.float64)
    if not found.size or not np.isfinite(found).all():
        raise ValueError(f"these are no finite values: {list(values)}")
    return found


def _mean(values: np.ndarray) -> float:
    """Of equal values exactly that value, which summing and dividing may miss by its last bit."""
    return float(values.mean() if np.ptp(values) else values[0])
