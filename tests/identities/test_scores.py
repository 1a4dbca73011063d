"""Inception Score and AM Score: known values, and the identities between them."""

from __future__ import annotations

import math

import pytest
import torch
from cganzoo_scores.am_score import FLOOR, AMScore
from cganzoo_scores.config import AMScoreConfig, InceptionScoreConfig
from cganzoo_scores.inception_score import InceptionScore
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.metric import Evaluated

CONTEXT = BuildContext(num_classes=7, image_size=8, image_channels=1)
SURE = 1000.0  # a logit that makes softmax exactly one-hot in float64


def seen(logits: Tensor) -> Evaluated:
    count = len(logits)
    return Evaluated(torch.zeros(count, 1, 8, 8), None, torch.zeros(count, 1), logits)


def one_hot(classes: list[int], num_classes: int) -> Tensor:
    return SURE * torch.eye(num_classes)[classes]


def logits_of(predictions: list[list[float]]) -> Tensor:
    return torch.tensor(predictions, dtype=torch.float64).log()


def random_logits(seed: int, count: int = 60, num_classes: int = 7, scale: float = 2.0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return scale * torch.randn(count, num_classes, generator=random, dtype=torch.float64)


def inception_score(logits: Tensor, splits: int = 1) -> dict[str, float | None]:
    metric = InceptionScore(InceptionScoreConfig(splits=splits), CONTEXT)
    metric.update(seen(logits))
    return dict(metric.compute())


def am_score(real: Tensor, samples: Tensor) -> dict[str, float | None]:
    metric = AMScore(AMScoreConfig(bootstrap=0), CONTEXT)
    metric.update_reference(seen(real))
    metric.update(seen(samples))
    return dict(metric.compute())


def kl(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p / q).log()).sum(-1)


def entropy(p: Tensor) -> Tensor:
    return -(p * p.log()).sum(-1)


@pytest.mark.parametrize("seed", range(5))
def test_inception_score_is_the_published_formula_and_the_mode_score(seed: int) -> None:
    logits, real = random_logits(seed), random_logits(seed + 100, scale=1.0)
    predictions, train = logits.softmax(1), real.softmax(1).mean(0)
    mean = predictions.mean(0)
    published = kl(predictions, mean).mean().exp()
    mode_score = (kl(predictions, train).mean() - kl(mean, train)).exp()
    result = inception_score(logits)
    assert result["inception_score"] == pytest.approx(published.item(), rel=1e-12)
    assert result["inception_score"] == pytest.approx(mode_score.item(), rel=1e-12)
    assert result["is_marginal_entropy"] == pytest.approx(entropy(mean).item(), rel=1e-12)
    assert result["is_conditional_entropy"] == pytest.approx(entropy(predictions).mean().item(), rel=1e-12)
    assert result["inception_score_std"] is None


@pytest.mark.parametrize("classes", [1, 3, 10])
def test_inception_score_counts_equally_frequent_classes(classes: int) -> None:
    logits = one_hot([index % classes for index in range(classes * 4)], 10)
    assert inception_score(logits)["inception_score"] == pytest.approx(classes, rel=1e-12)


def test_inception_score_of_a_collapsed_generator_is_one() -> None:
    assert inception_score(random_logits(0)[:1].expand(50, -1))["inception_score"] == pytest.approx(1.0, rel=1e-12)


def test_impossible_classes_are_no_nan() -> None:
    logits = torch.tensor([[0.0, 0.0, -math.inf], [0.0, -math.inf, -math.inf]])
    assert math.isfinite(inception_score(logits)["inception_score"] or math.nan)
    assert math.isfinite(am_score(logits, logits)["am_score"] or math.nan)


@pytest.mark.parametrize("seed", range(5))
def test_am_score_is_the_published_formula(seed: int) -> None:
    real, samples = random_logits(seed, scale=3.0), random_logits(seed + 100)
    predictions = samples.softmax(1)
    divergence = kl(real.softmax(1).mean(0), predictions.mean(0)).item()
    result = am_score(real, samples)
    assert result["am_kl"] == pytest.approx(divergence, rel=1e-12)
    assert result["am_entropy"] == pytest.approx(entropy(predictions).mean().item(), rel=1e-12)
    assert result["am_score"] == pytest.approx(divergence + entropy(predictions).mean().item(), rel=1e-12)


def test_am_score_is_zero_for_sure_predictions_with_the_real_marginal() -> None:
    real, samples = one_hot([0, 0, 0, 1], 3), one_hot([0, 1, 0, 0] * 5, 3)
    assert am_score(real, samples) == {
        "am_score": 0.0,
        "am_score_se": None,
        "am_kl": 0.0,
        "am_entropy": 0.0,
    }


def test_am_score_of_uniform_predictions_is_log_k() -> None:
    result = am_score(one_hot(list(range(10)), 10), torch.zeros(20, 10))
    assert result["am_score"] == pytest.approx(math.log(10), rel=1e-12)
    assert result["am_kl"] == pytest.approx(0.0, abs=1e-12)


def test_am_score_of_a_collapse_is_large_and_finite() -> None:
    result = am_score(one_hot(list(range(10)), 10), one_hot([3] * 20, 10))
    expected = -math.log(10) - 0.9 * math.log(FLOOR)
    assert result["am_score"] == pytest.approx(expected, rel=1e-12)
    assert result["am_entropy"] == 0.0


def test_am_score_takes_the_divergence_of_real_from_generated() -> None:
    real, samples = logits_of([[0.8, 0.1, 0.1]]), logits_of([[0.3, 0.4, 0.3]])
    forward = 0.8 * math.log(0.8 / 0.3) + 0.1 * math.log(0.1 / 0.4) + 0.1 * math.log(0.1 / 0.3)
    backward = 0.3 * math.log(0.3 / 0.8) + 0.4 * math.log(0.4 / 0.1) + 0.3 * math.log(0.3 / 0.1)
    assert abs(forward - backward) > 0.05
    assert am_score(real, samples)["am_kl"] == pytest.approx(forward, rel=1e-12)


def test_am_score_ignores_a_class_that_reality_does_not_have() -> None:
    real, samples = one_hot([0, 1], 3), logits_of([[0.25, 0.25, 0.5]])
    assert am_score(real, samples)["am_kl"] == pytest.approx(math.log(2), rel=1e-12)
