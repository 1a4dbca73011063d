"""Precision, recall, density and coverage against their formulas, written naively."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from cganzoo_scores.kept_images import RandomSubset
from cganzoo_scores.neighbours import BLOCK, nearest


def naive(real: np.ndarray, samples: np.ndarray, k: int) -> dict[str, float]:
    """By all distances, taken one by one."""

    def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.array([[np.linalg.norm(x.astype(np.float64) - y) for y in b] for x in a])

    def radii(a: np.ndarray) -> np.ndarray:
        between = distances(a, a)
        return np.array([np.sort(np.delete(between[i], i))[k - 1] for i in range(len(a))])

    between, real_radii, sample_radii = distances(real, samples), radii(real), radii(samples)
    inside = between < real_radii[:, None]
    return {
        "coverage": inside.any(1).mean(),
        "density": inside.sum() / (k * len(samples)),
        "precision": (between <= real_radii[:, None]).any(0).mean(),
        "recall": (between <= sample_radii).any(1).mean(),
    }


@pytest.mark.parametrize(
    ("real", "samples", "dim", "k"), [(60, 45, 6, 5), (30, 70, 3, 1), (40, 40, 200, 3), (7, 6, 9, 5)]
)
def test_agrees_with_the_formulas(real: int, samples: int, dim: int, k: int, score: Any, evaluated: Any) -> None:
    x, y = evaluated(0, real, dim=dim, shift=0.5), evaluated(1, samples, dim=dim)
    expected = naive(x.features.numpy(), y.features.numpy(), k)
    assert score("prdc", x, y, nearest_k=k) == pytest.approx(expected, rel=1e-12)
    assert len(set(expected.values())) > 1


@pytest.mark.parametrize("scale", [2.0**-40, 1.0, 2.0**40])
def test_ties_are_decided_as_documented(scale: float, score: Any, of_features: Any) -> None:
    # On a grid of whole numbers nearly all distances are equal to others, and exact in the naive form.
    points = np.stack(np.meshgrid(np.arange(6.0), np.arange(5.0)), -1).reshape(-1, 2)
    real, samples = points, np.concatenate([points[::2], points[:7] + 1])
    expected = naive(real, samples, 4)
    scores = score("prdc", of_features(real * scale), of_features(samples * scale), nearest_k=4)
    assert scores == pytest.approx(expected, rel=1e-12)


def test_balls_are_closed_for_precision_and_recall_and_open_for_density_and_coverage(
    score: Any, of_features: Any
) -> None:
    line, at_an_edge = of_features([[0.0], [1.0], [3.0]]), of_features([[-1.0], [5.5]])
    expected = {"coverage": 0, "density": 0, "precision": 0.5, "recall": 1}
    assert score("prdc", line, at_an_edge, nearest_k=1) == expected
    assert score("prdc", at_an_edge, line, nearest_k=1)["recall"] == 0.5


def test_ties_survive_rounding(score: Any, of_features: Any) -> None:
    # The same numbers in another order are as far from the origin, but for the rounding of their sum.
    random = torch.Generator().manual_seed(0)
    point = torch.randn(300, generator=random)
    shuffled = torch.stack([point[torch.randperm(300, generator=random)] for _ in range(50)])
    scores = score("prdc", of_features(torch.stack([0 * point, point])), of_features(shuffled), nearest_k=1)
    assert (scores["precision"], scores["density"], scores["coverage"]) == (1, 0, 0)


@pytest.mark.parametrize("dim", [2, 300])
def test_copies_of_the_real_images_score_one(dim: int, score: Any, evaluated: Any, take: Any) -> None:
    real = evaluated(0, 60, dim=dim)
    shuffled = take(real, torch.randperm(60, generator=torch.Generator().manual_seed(0)))
    assert score("prdc", real, shuffled) == {"coverage": 1, "density": 1, "precision": 1, "recall": 1}


def test_one_repeated_image_is_precise_and_covers_next_to_nothing(score: Any, evaluated: Any, take: Any) -> None:
    real = evaluated(0, 100)
    scores = score("prdc", real, take(real, torch.zeros(100, dtype=torch.int64)))
    assert scores["precision"] == 1
    assert scores["recall"] == pytest.approx(0.01)
    assert scores["coverage"] < 0.2


def test_far_samples_score_zero(score: Any, evaluated: Any) -> None:
    assert set(score("prdc", evaluated(0, 50), evaluated(1, 50, shift=1e4)).values()) == {0}


def test_density_bears_an_outlier_that_precision_trusts(score: Any, of_features: Any) -> None:
    random = torch.Generator().manual_seed(0)
    cluster = torch.randn(100, 4, generator=random)
    outlier, astray = torch.full((1, 4), 50.0), torch.full((100, 4), 25.0) + torch.randn(100, 4, generator=random)
    scores = score("prdc", of_features(torch.cat([cluster, outlier])), of_features(astray))
    assert scores["precision"] == 1
    assert scores["density"] == pytest.approx(1 / 5)
    assert scores["coverage"] == pytest.approx(1 / 101)


def test_values_of_real_images_are_those_expected(score: Any, evaluated: Any, take: Any) -> None:
    # Theory for as many independent images of one distribution: density 1, coverage near 1 - 2^-5.
    both = evaluated(0, 4000, dim=4)
    scores = score("prdc", take(both, slice(2000)), take(both, slice(2000, None)))
    assert scores["density"] == pytest.approx(1, abs=0.03)
    assert scores["coverage"] == pytest.approx(1 - 2**-5, abs=0.02)


def test_a_bounded_set_is_a_subset_of_it(score: Any, evaluated: Any) -> None:
    real, samples = evaluated(0, 3000, dim=8), evaluated(1, 2500, dim=8, shift=0.2)
    whole, part = score("prdc", real, samples), score("prdc", real, samples, max_images=1000)
    assert part != whole
    assert score("prdc", real, samples, max_images=3000) == whole
    assert part["density"] == pytest.approx(whole["density"], rel=0.3)


# --- parts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[1000], [1] * 7 + [400, 593], [10] * 100, [999, 1]])
def test_a_random_subset_does_not_depend_on_the_cuts_and_stays_in_order(sizes: list[int]) -> None:
    stream = torch.arange(1000.0)[:, None]
    whole, parts = RandomSubset(30, seed=3), RandomSubset(30, seed=3)
    whole.add(stream)
    for part in torch.split(stream, sizes):
        parts.add(part)
    kept = parts.features()[:, 0]
    assert torch.equal(kept, whole.features()[:, 0])
    assert len(parts) == len(kept) == 30
    assert (kept.diff() > 0).all()


def test_a_random_subset_is_fair() -> None:
    hits = torch.zeros(40)
    for seed in range(2000):
        subset = RandomSubset(10, seed)
        for part in torch.split(torch.arange(40.0)[:, None], 7):
            subset.add(part)
        hits[subset.features()[:, 0].long()] += 1
    assert (hits / 2000 - 0.25).abs().max() < 0.05


def test_a_random_subset_holds_no_more_than_twice_its_size() -> None:
    subset = RandomSubset(10, seed=0)
    for part in torch.split(torch.arange(1000.0)[:, None], 5):
        subset.add(part)
        assert sum(map(len, subset._features)) <= 20


def test_nearest_across_blocks() -> None:
    random = torch.Generator().manual_seed(0)
    x, y = torch.randn(BLOCK + 3, 3, generator=random), torch.randn(BLOCK + 5, 3, generator=random)
    distances, positions = nearest(x, y, 4)
    expected = torch.cdist(x.double(), y.double()).topk(4, largest=False)
    assert torch.equal(positions, expected.indices)
    torch.testing.assert_close(distances.sqrt(), expected.values)
    among, positions = nearest(y, y, 1, itself=torch.arange(len(y)))
    others = torch.cdist(y.double(), y.double()).fill_diagonal_(torch.inf).min(1)
    assert torch.equal(positions[:, 0], others.indices)
    torch.testing.assert_close(among[:, 0].sqrt(), others.values)
