"""FID, KID and intra-FID against independent computations."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor, nn
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from cganzoo.errors import CganzooError

SIZES = [(80, 60, 6), (200, 150, 40), (20, 9, 64), (2, 2, 16), (30, 50, 300)]
"""(real images, samples, features): the last three have fewer images than features."""


class Given(nn.Module):
    """A "network" that torchmetrics takes features from."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.num_features = dim

    def forward(self, features: Tensor) -> Tensor:
        return features.double()


def theirs(metric: Any, real: Tensor, samples: Tensor) -> Any:
    metric.update(real, real=True)
    metric.update(samples, real=False)
    return metric.compute()


# --- fid ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("real", "samples", "dim"), SIZES)
def test_fid_agrees_with_torchmetrics_and_torch_fidelity(
    real: int, samples: int, dim: int, score: Any, evaluated: Any
) -> None:
    x, y = evaluated(0, real, dim=dim, shift=0.3), evaluated(1, samples, dim=dim)
    fid = score("fid", x, y)["fid"]
    statistics = [fid_features_to_statistics(batch.features.double()) for batch in (x, y)]
    fidelity = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert fid == pytest.approx(fidelity, rel=1e-5)
    torchmetrics = theirs(FrechetInceptionDistance(feature=Given(dim)), x.features, y.features).item()
    assert fid == pytest.approx(torchmetrics, rel=1e-5)


def scipy_fid(real: Tensor, samples: Tensor) -> float:
    """Textbook formula, with SciPy's matrix square root."""
    x, y = real.double().numpy(), samples.double().numpy()
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of singular matrices
        root = scipy.linalg.sqrtm(s @ t)
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s + t - 2 * root).real)


def gram_fid(real: Tensor, samples: Tensor) -> float:
    """Through the eigenvalues of centred X Y^T Y X^T: exact where the covariances are singular, as sqrtm is not."""
    x, y = real.double().numpy(), samples.double().numpy()
    xc, yc = (x - x.mean(0)) / np.sqrt(len(x) - 1), (y - y.mean(0)) / np.sqrt(len(y) - 1)
    root = np.linalg.norm(xc @ yc.T, "nuc")
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + (xc**2).sum() + (yc**2).sum() - 2 * root)


@pytest.mark.parametrize("seed", range(3))
def test_fid_agrees_with_scipy(seed: int, score: Any, evaluated: Any) -> None:
    real, samples = evaluated(seed, 80, shift=0.3), evaluated(seed + 10, 60)
    assert score("fid", real, samples)["fid"] == pytest.approx(scipy_fid(real.features, samples.features), rel=1e-9)


@pytest.mark.parametrize(("real", "samples", "dim"), SIZES)
def test_fid_is_exact_with_fewer_images_than_features(
    real: int, samples: int, dim: int, score: Any, evaluated: Any
) -> None:
    x, y = evaluated(0, real, dim=dim, shift=0.3), evaluated(1, samples, dim=dim)
    assert score("fid", x, y)["fid"] == pytest.approx(gram_fid(x.features, y.features), rel=1e-9)


@pytest.mark.parametrize("dim", [6, 200])
def test_fid_of_equal_sets_is_zero_and_a_shift_adds_its_square(dim: int, score: Any, evaluated: Any, take: Any) -> None:
    real = evaluated(0, 50, dim=dim)
    shifted = take(real, features=real.features + 0.5)
    spread = float(real.features.double().var(0).sum())
    assert score("fid", real, real)["fid"] == pytest.approx(0.0, abs=1e-9 * spread)
    assert score("fid", real, shifted)["fid"] == pytest.approx(dim * 0.25, rel=1e-5)


def test_fid_far_from_the_origin_keeps_its_digits(score: Any, evaluated: Any, take: Any) -> None:
    real, samples = evaluated(0, 80), evaluated(1, 60, shift=0.5)
    near, far = (
        score("fid", *(take(batch, features=batch.features.double() + far) for batch in (real, samples)))["fid"]
        for far in (0.0, 2.0**26)
    )
    assert far == pytest.approx(near, rel=1e-6)


# --- kid ------------------------------------------------------------------------------------------------------------


def naive_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased squared MMD by a double loop over pairs."""

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    m, n = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    within_y = sum(kernel(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    between = sum(kernel(a, b) for a in x for b in y) / (m * n)
    return within_x + within_y - 2 * between


def test_kid_of_whole_small_sets_is_the_unbiased_mmd(score: Any, evaluated: Any) -> None:
    real, samples = evaluated(0, 12, shift=0.4), evaluated(1, 12)
    expected = naive_mmd(real.features.double().numpy(), samples.features.double().numpy())
    assert score("kid", real, samples, subsets=3) == {
        "kid": pytest.approx(expected, rel=1e-9),
        "kid_std": 0.0,
        "kid_subset_size": 12,
    }


@pytest.mark.parametrize(("count", "dim"), [(12, 6), (40, 100)])
def test_kid_of_whole_sets_agrees_with_torchmetrics(count: int, dim: int, score: Any, evaluated: Any) -> None:
    x, y = evaluated(0, count, dim=dim, shift=0.3), evaluated(1, count, dim=dim)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = KernelInceptionDistance(feature=Given(dim), subsets=1, subset_size=count)
    assert score("kid", x, y)["kid"] == pytest.approx(theirs(metric, x.features, y.features)[0].item(), rel=1e-9)


@pytest.mark.parametrize(("real", "samples", "dim", "size"), [(60, 40, 6, 10), (30, 50, 300, 25), (12, 12, 6, 12)])
def test_kid_agrees_with_torch_fidelity_subset_by_subset(
    real: int, samples: int, dim: int, size: int, score: Any, evaluated: Any
) -> None:
    x, y = evaluated(0, real, dim=dim, shift=0.3), evaluated(1, samples, dim=dim)
    scores = score("kid", x, y, subsets=7, subset_size=size)
    fidelity = kid_features_to_metric(
        y.features.double(), x.features.double(), kid_subsets=7, kid_subset_size=size, verbose=False
    )
    assert scores["kid"] == pytest.approx(fidelity["kernel_inception_distance_mean"], rel=1e-9)
    assert scores["kid_std"] == pytest.approx(fidelity["kernel_inception_distance_std"], rel=1e-6, abs=1e-12)


def test_kid_subsets_shrink_to_the_smaller_set(score: Any, evaluated: Any) -> None:
    real, samples = evaluated(0, 40), evaluated(1, 7)
    assert score("kid", real, samples)["kid_subset_size"] == 7
    assert score("kid", real, samples, subset_size=5)["kid_subset_size"] == 5


# --- intra-fid ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("real", "samples", "dim"), [(400, 300, 6), (60, 40, 50), (10, 10, 20)])
def test_intra_fid_is_the_fid_of_each_class(real: int, samples: int, dim: int, score: Any, evaluated: Any) -> None:
    x, y = evaluated(0, real, dim=dim, shift=0.3), evaluated(1, samples, dim=dim)
    y.features[y.labels == 3] += 1
    expected = [gram_fid(x.features[x.labels == label], y.features[y.labels == label]) for label in range(5)]
    assert score("intra_fid", x, y) == {
        "intra_fid": pytest.approx(np.mean(expected), rel=1e-9),
        "intra_fid_max": pytest.approx(max(expected), rel=1e-9),
    }


def test_intra_fid_agrees_with_scipy_in_each_class(score: Any, evaluated: Any) -> None:
    x, y = evaluated(0, 200, shift=0.3), evaluated(1, 150)
    expected = [scipy_fid(x.features[x.labels == label], y.features[y.labels == label]) for label in range(5)]
    assert score("intra_fid", x, y)["intra_fid"] == pytest.approx(np.mean(expected), rel=1e-7)


def test_intra_fid_sees_samples_of_the_wrong_class_and_fid_does_not(score: Any, evaluated: Any, take: Any) -> None:
    real = evaluated(0, 200)
    real.features += 3 * real.labels[:, None]
    astray = take(real, labels=(real.labels + 1) % 5)
    assert score("fid", real, astray)["fid"] == pytest.approx(0, abs=1e-6)
    assert score("intra_fid", real, real)["intra_fid"] == pytest.approx(0, abs=1e-6)
    assert score("intra_fid", real, astray)["intra_fid"] > 10


@pytest.mark.parametrize("side", ["real", "samples"])
@pytest.mark.parametrize("count", [0, 1])
def test_intra_fid_names_the_class_that_is_too_small(
    side: str, count: int, score: Any, evaluated: Any, take: Any
) -> None:
    full = evaluated(0, 40)
    lacking = take(full, torch.cat([torch.nonzero(full.labels != 2)[:, 0], torch.tensor([2])[:count]]))
    real, samples = (lacking, full) if side == "real" else (full, lacking)
    counts = f"{count} and 8" if side == "real" else f"8 and {count}"
    with pytest.raises(CganzooError, match=f'class "kind 2" there are {counts}'):
        score("intra_fid", real, samples)
