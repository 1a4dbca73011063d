"""Intervals, tests and ranks: against scipy and numpy, and on made-up data whose answer is known."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from scipy import stats

from cganzoo.compare.statistics import holm, pairwise, ranking, summary, ties

# --- intervals ------------------------------------------------------------------------------------------------------


def test_the_summary_agrees_with_numpy_and_scipy():
    values = [1.0, 2.0, 4.0, 4.5]
    found = summary(values)
    assert (found.count, found.mean) == (4, pytest.approx(np.mean(values)))
    assert found.sd == pytest.approx(np.std(values, ddof=1))
    assert found.interval == pytest.approx(stats.t.interval(0.95, 3, np.mean(values), stats.sem(values)))
    drawn = [np.mean(resample) for resample in itertools.product(values, repeat=4)]  # every resample there is
    assert found.bootstrap == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.13)


def test_one_value_has_no_spread_and_equal_values_have_none():
    assert summary([3.0]).sd is None
    assert summary([3.0]).interval is summary([3.0]).bootstrap is None
    equal = summary([0.1, 0.1, 0.1])
    assert equal.sd == 0
    assert equal.interval == equal.bootstrap == (equal.mean, equal.mean)


def test_coverage_with_three_seeds_is_95_percent_for_student_and_75_for_the_bootstrap():
    random = np.random.default_rng(0)
    held = np.zeros(2)
    for _ in range(1_000):
        found = summary(random.standard_normal(3).tolist(), resamples=499)
        for place, interval in enumerate((found.interval, found.bootstrap)):
            assert interval is not None
            held[place] += interval[0] <= 0 <= interval[1]
    student, bootstrap = held / 1_000
    assert student == pytest.approx(0.95, abs=0.02)
    assert bootstrap == pytest.approx(0.75, abs=0.04)  # as the docstring says


def test_the_bootstrap_interval_of_three_values_is_their_range():
    assert summary([4.0, 1.0, 2.0]).bootstrap == (1.0, 4.0)
    assert summary([4.0, 1.0, 2.0]) == summary([4.0, 1.0, 2.0])


def test_an_interval_stays_inside_the_range_of_the_score():
    two = summary([0.91, 1.0], low=0, high=1)
    assert two.interval == (pytest.approx(0.955 - 12.706 * 0.045, abs=1e-3), 1)
    assert summary([0.5, 3.0], low=0).interval == (0, pytest.approx(1.75 + 12.706 * 1.25, abs=1e-2))
    assert summary([0.91, 1.0]).interval == pytest.approx((0.383, 1.527), abs=1e-3)
    inside = summary([0.5, 0.51, 0.52], low=0, high=1)
    assert inside.interval == summary([0.5, 0.51, 0.52]).interval
    beyond = summary([1.0, 1.0 + 1e-9], low=0, high=1)  # rounded
    assert beyond.interval is not None
    assert beyond.interval[0] < beyond.mean <= beyond.interval[1]


def test_the_range_changes_no_coverage():
    random = np.random.default_rng(7)
    held = 0
    for _ in range(1_000):
        found = summary(random.uniform(0, 1, 2).tolist(), low=0, high=1, resamples=9)
        assert found.interval is not None
        assert 0 <= found.interval[0] < found.interval[1] <= 1
        held += found.interval[0] <= 0.5 <= found.interval[1]
    assert held / 1_000 == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_values_that_are_not_finite_are_refused(values: list[float]):
    with pytest.raises(ValueError, match="values must be finite"):
        summary(values)
    with pytest.raises(ValueError, match="values must be finite"):
        pairwise({"a": values, "b": [1.0, 2.0]})
    with pytest.raises(ValueError, match="values must be finite"):
        ranking({"a": values, "b": [1.0, 2.0]}, higher_is_better=True)
    with pytest.raises(ValueError, match="values must be finite"):
        ties({"a": values, "b": [1.0, 2.0]}, higher_is_better=True)


# --- pairs ----------------------------------------------------------------------------------------------------------


def test_holm_agrees_with_an_example_worked_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1 is 0.04, 0.06, 0.06, 0.04; the last may not fall below the third.
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("p", [[0.1, float("nan")], [-0.1], [1.1]])
def test_holm_refuses_values_that_are_not_probabilities(p: list[float]):
    with pytest.raises(ValueError, match="p values must be between 0 and 1"):
        holm(p)


def test_pairs_are_tested_by_welchs_test():
    samples = {"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0, 9.0], "c": [1.5, 1.6]}
    pairs = pairwise(samples)
    assert [(pair.a, pair.b) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    for pair in pairs:
        a, b = samples[pair.a], samples[pair.b]
        assert pair.p == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)
        assert pair.difference == pytest.approx(np.mean(a) - np.mean(b))
    assert [pair.p_corrected for pair in pairs] == pytest.approx(holm([pair.p or 0 for pair in pairs]))


def test_pairs_without_spread_are_tested_by_the_exact_permutation_test():
    (pair,) = pairwise({"a": [1.0, 1.0, 1.0], "b": [2.0, 2.0, 2.0]})
    assert pair.p == pytest.approx(2 / 20)  # 2 of the 20 ways to divide six values are as far apart
    (pair,) = pairwise({"a": [1.0, 1.0, 1.0], "b": [1.0, 1.0, 1.0]})
    assert pair.p == 1


@pytest.mark.parametrize("count", [(2, 2), (3, 3), (2, 5), (4, 3)])
def test_the_exact_permutation_test_agrees_with_scipy(count: tuple[int, int]):
    def difference(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(x.mean(axis=axis) - y.mean(axis=axis))

    for other in (0.1, 0.3):  # 0.1 is one whose mean is rounded
        a, b = [0.1] * count[0], [other] * count[1]
        reference = stats.permutation_test((a, b), difference, vectorized=True, n_resamples=np.inf)
        assert pairwise({"a": a, "b": b})[0].p == pytest.approx(reference.pvalue)


def test_many_seeds_without_spread_are_tested_fast():
    (pair,) = pairwise({"a": [1.0] * 40, "b": [0.5] * 40})
    assert pair.p is not None
    assert 0 < pair.p < 1e-20


def test_one_without_spread_is_tested_by_welch_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (pair,) = pairwise({"a": [1.0, 1.0, 1.0], "b": [1.0, 2.0, 3.0]})
    assert pair.p == pytest.approx(2 * stats.t.cdf(-(3**0.5), 2))  # a mean of 1 apart, its error 1 / sqrt(3)


def test_the_order_of_methods_changes_only_the_sign_of_a_pair():
    random = np.random.default_rng(6)
    samples = {name: (place + random.standard_normal(3)).tolist() for place, name in enumerate("abcd")}
    pairs = {(pair.a, pair.b): pair for pair in pairwise(samples)}
    for turned in pairwise(dict(reversed(samples.items()))):
        pair = pairs[turned.b, turned.a]
        assert turned.difference == -pair.difference
        assert turned.p == pytest.approx(pair.p)
        assert turned.p_corrected == pytest.approx(pair.p_corrected)


def test_one_seed_is_not_tested_and_not_counted_in_the_correction():
    with_one = pairwise({"a": [1.0, 2.0, 3.0], "b": [7.0, 8.0, 9.5], "one": [5.0]})
    assert [pair.p is None for pair in with_one] == [False, True, True]
    assert with_one[0].p_corrected == with_one[0].p


def test_equal_methods_are_not_called_different_more_often_than_stated():
    random = np.random.default_rng(1)
    wrong = 0
    for _ in range(1_000):
        samples = {name: random.standard_normal(3).tolist() for name in "abcdef"}
        wrong += any((pair.p_corrected or 0) < 0.05 for pair in pairwise(samples))
    assert wrong / 1_000 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1_000)


def test_clearly_different_methods_are_called_different():
    random = np.random.default_rng(2)
    found = 0
    for _ in range(200):
        samples = {name: (20 * place + random.standard_normal(3)).tolist() for place, name in enumerate("abcdef")}
        found += all((pair.p_corrected or 0) < 0.05 for pair in pairwise(samples))
    assert found / 200 > 0.8


def test_methods_that_are_not_significantly_different_from_the_best_are_ties():
    samples = {"good": [9.0, 9.1, 9.2], "as good": [8.9, 9.1, 9.0], "bad": [1.0, 1.1, 0.9], "one": [5.0]}
    assert ties(samples, higher_is_better=True) == ("good", {"as good", "one"})
    assert ties(samples, higher_is_better=False)[0] == "bad"


# --- ranks ----------------------------------------------------------------------------------------------------------


def test_ranks_are_those_of_the_means_and_certain_if_methods_are_far_apart():
    samples = {"b": [5.0, 5.1, 5.2], "c": [100.0, 100.2, 100.1], "a": [1.0, 1.1, 0.9]}
    found = ranking(samples, higher_is_better=False)
    assert found is not None
    assert found.ranks == {"a": (1, 1, 1), "b": (2, 2, 2), "c": (3, 3, 3)}
    assert found.ahead["a", "b"] > 0.99
    up = ranking(samples, higher_is_better=True)
    assert up is not None
    assert up.ranks["c"] == (1, 1, 1)
    assert up.ahead["c", "a"] > 0.99


def test_the_share_agrees_with_an_independent_simulation():
    a, b = [1.0, 2.0, 4.0], [2.0, 3.5, 3.0]
    found = ranking({"a": a, "b": b}, higher_is_better=True, resamples=100_000)
    assert found is not None
    random = np.random.default_rng(5)
    drawn = [np.mean(v) + stats.sem(v) * random.standard_t(2, 100_000) for v in (a, b)]
    assert found.ahead["a", "b"] == pytest.approx(np.mean(drawn[0] > drawn[1]), abs=0.01)
    assert found.ahead["a", "b"] + found.ahead["b", "a"] == pytest.approx(1)


def test_equal_methods_are_ahead_of_each_other_equally_often():
    random = np.random.default_rng(3)
    shares = []
    for _ in range(300):
        samples = {name: random.standard_normal(3).tolist() for name in "ab"}
        found = ranking(samples, higher_is_better=True, resamples=500)
        assert found is not None
        shares.append(found.ahead["a", "b"])
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
    # Shares beyond 95 % occur in at most a tenth of the cases, half of them on each side.
    assert np.mean([share > 0.95 or share < 0.05 for share in shares]) <= 0.1


def test_the_result_does_not_depend_on_the_order_of_methods_or_on_the_call():
    random = np.random.default_rng(4)
    samples = {name: random.standard_normal(3).tolist() for name in "abcd"}
    turned = dict(reversed(samples.items()))
    assert ranking(samples, higher_is_better=True) == ranking(turned, higher_is_better=True)
    assert ranking(samples, higher_is_better=True) == ranking(samples, higher_is_better=True)
    assert ties(samples, higher_is_better=True) == ties(turned, higher_is_better=True)


def test_the_rank_of_a_method_with_one_seed_may_be_any():
    found = ranking({"a": [1.0, 1.1], "b": [2.0]}, higher_is_better=False)
    assert found is not None
    assert found.ranks == {"a": (1, 1, 2), "b": (2, 1, 2)}
    assert found.ahead == {}
    assert ranking({"a": [1.0], "b": [2.0]}, higher_is_better=False) is None


def test_a_method_with_one_seed_extends_the_intervals_of_the_others():
    samples = {"a": [1.0, 1.01, 1.02], "b": [50.0, 50.01, 50.02], "c": [90.0, 90.01, 90.02], "one": [60.0]}
    found = ranking(samples, higher_is_better=False)
    assert found is not None
    # "one" may be ahead of each of them, or of none.
    assert found.ranks == {"a": (1, 1, 2), "b": (2, 2, 3), "one": (3, 1, 4), "c": (4, 3, 4)}
    assert set(found.ahead) == set(itertools.permutations("abc", 2))


def test_the_interval_of_a_rank_agrees_with_an_independent_simulation():
    samples = {"a": [1.0, 2.0, 4.0], "b": [2.0, 3.5, 3.0], "c": [5.0, 5.5, 4.0], "d": [9.0, 9.5, 9.2]}
    found = ranking(samples, higher_is_better=True, resamples=20_000)
    assert found is not None
    random = np.random.default_rng(8)
    drawn = [np.mean(v) + stats.sem(v) * random.standard_t(2, 20_000) for v in samples.values()]
    places = stats.rankdata(-np.array(drawn), axis=0)
    low, high = np.quantile(places, [0.025, 0.975], axis=1, method="nearest")
    for index, name in enumerate(samples):
        assert found.ranks[name][1:] == (low[index], high[index])


def test_the_interval_of_a_rank_may_not_contain_the_rank_by_mean():
    samples = {"tight": [1.0, 1.0, 1.0], **{name: [-9.0, 2.0, 9.0] for name in "abcdef"}}
    found = ranking(samples, higher_is_better=True, resamples=50_000)
    assert found is not None
    assert found.ranks["tight"] == (1, 2, 6)  # first in 1 of 64 resamples, and as rarely last


def test_methods_without_spread_are_ordered_and_equal_means_share_a_rank():
    found = ranking({"a": [1.0, 1.0], "b": [2.0, 2.0], "c": [2.0, 2.0]}, higher_is_better=True)
    assert found is not None
    assert found.ahead["b", "a"] == 1
    assert found.ahead["b", "c"] == 0.5
    assert found.ahead["c", "b"] == 0.5
    assert found.ranks == {"b": (1, 1, 1), "c": (1, 1, 1), "a": (3, 3, 3)}  # equal means share the better rank
