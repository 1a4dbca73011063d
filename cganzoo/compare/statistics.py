"""Statistics for few seeds: intervals, tests corrected for multiple comparisons, ranks with their uncertainty.

Every function takes the values of a score, finite and one for each seed, and raises ``ValueError`` for other values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from scipy import stats

LEVEL = 0.05


@dataclass(frozen=True)
class Summary:
    """One score of a method over its seeds. If there is only one value, only the mean is given."""

    count: int
    mean: float
    sd: float | None = None  # with count - 1 degrees of freedom
    interval: tuple[float, float] | None = None  # 95 % confidence interval of the mean, by Student's t, cut at bounds
    bootstrap: tuple[float, float] | None = None  # 95 % percentile bootstrap interval of the mean


def summary(
    values: Sequence[float], *, low: float | None = None, high: float | None = None, resamples: int = 9_999
) -> Summary:
    """Mean and spread.

    Student's interval is cut at ``low`` and ``high``, the least and the greatest possible value of the score. The true
    mean lies between them, so the part that is cut off cannot contain it, and the coverage stays the same. With 2 seeds
    the interval reaches 9 standard deviations to each side (with 3 seeds 2.5), so it often is the whole range.

    With 3 seeds of a normal score, the bootstrap interval contains the true mean in 75 % of the cases, not in 95 %. In
    1 of 27 cases a resample is the lowest value three times; this is more than 2.5 %, so the interval goes from the
    lowest value to the highest, and in 2 of 8 cases all three are on one side of the mean. With 2 seeds it is 50 %.
    Use Student's interval if values are roughly normal.

    The percentile interval is that of Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    found = _checked(values)
    if len(found) < 2:
        return Summary(len(found), _mean(found))
    mean, sd = _mean(found), _sd(found)
    if not np.ptp(found):
        return Summary(len(found), mean, sd, (mean, mean), (mean, mean))
    half = float(stats.t.ppf(0.975, len(found) - 1)) * sd / np.sqrt(len(found))
    drawn = stats.bootstrap(
        (found,), np.mean, n_resamples=resamples, method="percentile", random_state=np.random.default_rng(0)
    ).confidence_interval
    # A rounding error may put the mean itself outside the range.
    below = mean - half if low is None else max(mean - half, min(low, mean))
    above = mean + half if high is None else min(mean + half, max(high, mean))
    return Summary(len(found), mean, sd, (float(below), float(above)), (float(drawn.low), float(drawn.high)))


@dataclass(frozen=True)
class Pair:
    """Two methods, compared by one score. There is no p value if a method has fewer than two seeds."""

    a: str
    b: str
    difference: float  # mean of a minus mean of b
    p: float | None  # of the two-sided test
    p_corrected: float | None  # by Holm's method, over all pairs


def pairwise(samples: Mapping[str, Sequence[float]]) -> list[Pair]:
    """Welch's t test for every pair of methods, corrected for the number of pairs.

    The test is that of Welch, Biometrika 34 (1947), 28-35; the variances may differ. If neither method has any spread,
    t is not defined, and the exact permutation test of the difference in means is used instead. With 3 seeds each, its
    p is 0.1 or 1, so such a pair is never significantly different at 0.05.
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
        # The same as scipy.stats.permutation_test, which would keep every division of the values in memory: 155 million
        # for 15 seeds each. On its side, only the actual division is as far apart; scipy doubles the smaller side.
        return 1.0 if a[0] == b[0] else 2 / comb(len(a) + len(b), len(a))
    # From the moments, because ttest_ind warns of lost precision if one of the two has no spread.
    found = stats.ttest_ind_from_stats(_mean(a), _sd(a), len(a), _mean(b), _sd(b), len(b), equal_var=False)
    return float(found.pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Correct p values so that the probability of any false difference stays below the level.

    Holm, Scandinavian Journal of Statistics 6 (1979), 65-70. The tests may depend on each other, as pairs of the same
    methods do. The order of the p values is kept.
    """
    if not all(0 <= value <= 1 for value in p):  # false for NaN, too
        raise ValueError(f"p values must be between 0 and 1: {list(p)}")
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(np.minimum(1.0, np.arange(len(p), 0, -1) * np.take(p, order)))
    return [float(value) for value in corrected]


def ties(samples: Mapping[str, Sequence[float]], *, higher_is_better: bool) -> tuple[str, set[str]]:
    """The method with the best mean, and the methods that are not significantly different from it.

    These are the methods whose p value against the best method is not below the level, or is not known. The correction
    counts all pairs, as in :func:`pairwise`, because the best method was not known before.
    """
    best = _order({name: _mean(_checked(values)) for name, values in samples.items()}, higher_is_better)[0]
    pairs = [pair for pair in pairwise(samples) if pair.p_corrected is None or pair.p_corrected >= LEVEL]
    return best, {pair.b if pair.a == best else pair.a for pair in pairs if best in (pair.a, pair.b)}


@dataclass(frozen=True)
class Ranking:
    """Order of the methods, and its uncertainty.

    Equal means share the better rank. The interval of a rank is that of the resamples and may not contain the rank by
    mean: a method of small spread whose mean is slightly better than those of 6 methods of large spread is first in 1
    of 64 resamples.
    """

    ranks: dict[str, tuple[int, int, int]]  # rank by mean (1 is the best) and its 95 % interval, the best first
    ahead: dict[tuple[str, str], float]  # share of resamples in which the first is better; equals count half


def ranking(
    samples: Mapping[str, Sequence[float]], *, higher_is_better: bool, resamples: int = 10_000
) -> Ranking | None:
    """Ranks of the methods' means under resampling; ``None`` if no method has two seeds.

    A resampled mean is ``mean + sd / sqrt(n) * t``, where t has Student's distribution with n - 1 degrees of freedom: a
    parametric bootstrap. Drawing 3 of 3 values with replacement has only 10 outcomes, none outside their range, and
    would make an uncertain order look certain. For ranks of resamples see Goldstein and Spiegelhalter, Journal of the
    Royal Statistical Society A 159 (1996), 385-443.

    The spread of a method with one seed is not known, so it has a rank, an interval of all ranks, and no shares. It may
    be ahead of any other method, so the intervals of the others end one rank later for each such method.
    """
    checked = {name: _checked(values) for name, values in samples.items()}
    if all(len(values) < 2 for values in checked.values()):
        return None
    means = {name: _mean(values) for name, values in checked.items()}
    order = _order(means, higher_is_better)
    known = [name for name in order if len(checked[name]) > 1]
    drawn = {}
    for name in sorted(known):  # the result must not depend on the order of methods
        values = checked[name]
        # Each method has its own random stream, chosen by its name and not by its place.
        random = np.random.default_rng([0, *name.encode()])
        drawn[name] = means[name] + _sd(values) / np.sqrt(len(values)) * random.standard_t(len(values) - 1, resamples)
    sign = 1 if higher_is_better else -1
    ahead = {
        (a, b): float(np.mean(sign * drawn[a] > sign * drawn[b]) + np.mean(drawn[a] == drawn[b]) / 2)
        for a in known
        for b in known
        if a != b
    }
    table = np.stack([sign * drawn[name] for name in known])
    places = 1 + (table[None, :] > table[:, None]).sum(1)
    low, high = np.quantile(places, [0.025, 0.975], axis=1, method="nearest")
    unknown = len(order) - len(known)
    intervals = {name: (int(low[index]), int(high[index]) + unknown) for index, name in enumerate(known)}
    ranks = {}
    for name in order:
        better = sum(sign * mean > sign * means[name] for mean in means.values())
        ranks[name] = (1 + better, *intervals.get(name, (1, len(order))))
    return Ranking(ranks, ahead)


def _order(means: Mapping[str, float], higher_is_better: bool) -> list[str]:
    """Names, the best first. Equal methods are sorted by name, so the order of the methods does not matter."""
    return sorted(means, key=lambda name: (-means[name] if higher_is_better else means[name], name))


def _checked(values: Sequence[float]) -> np.ndarray:
    found = np.asarray(values, dtype=np.float64)
    if not found.size or not np.isfinite(found).all():
        raise ValueError(f"values must be finite, and at least one: {list(values)}")
    return found


def _mean(values: np.ndarray) -> float:
    """The mean. For equal values it is exactly this value; a sum divided by the count may have a wrong last bit."""
    return float(values.mean() if np.ptp(values) else values[0])


def _sd(values: np.ndarray) -> float:
    """The standard deviation. For equal values it is exactly 0, even if the rounding of their mean is not exact."""
    return float(values.std(ddof=1)) if np.ptp(values) else 0.0
