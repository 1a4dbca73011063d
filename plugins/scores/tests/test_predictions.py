"""Inception Score, AM Score and class accuracy against independent computations, and their standard errors."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from cganzoo_scores.bootstrap import PoissonBootstrap
from torch import Tensor
from torch_fidelity.metric_isc import isc_features_to_metric
from torchmetrics.image.inception import InceptionScore as TorchmetricsInceptionScore

from cganzoo.metric import Evaluated

SIZES = [(7, 10), (60, 5), (400, 30)]
"""(images, classes)."""


def seen(count: int, classes: int, seed: int, *, skew: float = 0.0, dtype: torch.dtype = torch.float32) -> Evaluated:
    random = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, classes, generator=random) - skew * torch.arange(classes)
    return Evaluated(
        torch.zeros(count, 3, 8, 8), torch.arange(count) % classes, torch.zeros(count, 1), logits.to(dtype)
    )


# --- agreement ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "classes"), SIZES)
def test_inception_score_agrees_with_torchmetrics(count: int, classes: int, score: Any) -> None:
    samples = seen(count, classes, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = TorchmetricsInceptionScore(feature=torch.nn.Identity(), splits=1)
        theirs.update(samples.logits.double())
        expected = theirs.compute()[0].item()
    assert score("inception_score", [], samples)["inception_score"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("splits", [1, 3, 7])
@pytest.mark.parametrize(("count", "classes"), SIZES)
def test_inception_score_agrees_with_torch_fidelity_split_by_split(
    count: int, classes: int, splits: int, score: Any
) -> None:
    samples = seen(count, classes, 1)
    theirs = isc_features_to_metric(samples.logits, splits=splits)
    scores = score("inception_score", [], samples, splits=splits)
    assert scores["inception_score"] == pytest.approx(theirs["inception_score_mean"], rel=1e-9)
    assert (scores["inception_score_std"] or 0.0) == pytest.approx(theirs["inception_score_std"], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("count", "classes"), SIZES)
def test_am_score_agrees_with_float64(count: int, classes: int, score: Any) -> None:
    real, samples = seen(2 * count, classes, 2, skew=0.1), seen(count, classes, 3)
    p, c = (np.exp(batch.logits.double().numpy()) for batch in (real, samples))
    p, c = p / p.sum(1, keepdims=True), c / c.sum(1, keepdims=True)
    expected = (p.mean(0) * np.log(p.mean(0) / c.mean(0))).sum() - (c * np.log(c)).sum(1).mean()
    assert score("am_score", real, samples)["am_score"] == pytest.approx(expected, rel=1e-9)


def test_splits_are_shuffled_so_that_sorted_classes_do_not_fool_them(score: Any) -> None:
    classes = torch.arange(5).repeat_interleave(200)
    samples = Evaluated(torch.zeros(1000, 3, 8, 8), None, torch.zeros(1000, 1), 50 * torch.eye(5)[classes])
    scores = score("inception_score", [], samples, splits=5)
    assert scores["inception_score"] == pytest.approx(5, rel=0.05)
    assert 0 < scores["inception_score_std"] < 0.1


# --- standard errors ------------------------------------------------------------------------------------------------


def test_bootstrap_is_the_weighted_mean_of_a_poisson_count_for_each_sample_and_replica() -> None:
    values = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    bootstrap = PoissonBootstrap(40)
    for part in torch.split(values, [1, 30, 19]):
        bootstrap.add(part)
    counts = np.random.default_rng(0).poisson(1.0, (50, 40))
    naive = [np.average(values.numpy(), axis=0, weights=counts[:, replica]) for replica in range(40)]
    torch.testing.assert_close(bootstrap.means(), torch.from_numpy(np.stack(naive)))


def test_replicas_without_a_sample_are_left_out() -> None:
    bootstrap = PoissonBootstrap(200)
    bootstrap.add(torch.ones(1, 1, dtype=torch.float64))
    means = bootstrap.means()
    assert 0 < len(means) < 200  # each is empty with probability 1/e
    assert (means == 1).all()


@pytest.mark.parametrize("name", ["inception_score", "am_score"])
def test_standard_error_is_the_spread_of_multinomial_replicas(name: str, score: Any) -> None:
    real, samples = seen(100, 5, 4), seen(300, 5, 5)
    random = torch.Generator().manual_seed(6)
    spread = np.std([score(name, real, drawn(samples, random), bootstrap=0)[name] for _ in range(400)], ddof=1)
    assert score(name, real, samples, bootstrap=2000)[f"{name}_se"] == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("name", ["inception_score", "am_score", "class_accuracy"])
def test_standard_error_is_the_spread_over_fresh_samples(name: str, score: Any) -> None:
    real = seen(100, 5, 4)
    fresh = [score(name, real, independent(300, 7 + index)) for index in range(200)]
    spread = np.std([scores[name] for scores in fresh], ddof=1)
    assert np.mean([scores[f"{name}_se"] for scores in fresh[:20]]) == pytest.approx(spread, rel=0.25)


def drawn(samples: Evaluated, random: torch.Generator) -> Evaluated:
    """As many samples, drawn with replacement."""
    count = len(samples.logits)
    chosen = torch.randint(count, (count,), generator=random)
    return Evaluated(samples.images, samples.labels, samples.features, samples.logits[chosen])


def independent(count: int, seed: int) -> Evaluated:
    """Samples of independent classes, told right three times in four or so."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(5, (count,), generator=random)
    logits = 2 * torch.randn(count, 5, generator=random) + 5 * torch.eye(5)[labels]
    return Evaluated(torch.zeros(count, 3, 8, 8), labels, torch.zeros(count, 1), logits)


@pytest.mark.parametrize("name", ["inception_score", "am_score"])
def test_no_standard_error_without_replicas_or_of_one_sample(name: str, score: Any) -> None:
    real, samples = seen(20, 5, 0), seen(20, 5, 1)
    assert score(name, real, samples, bootstrap=0)[f"{name}_se"] is None
    assert score(name, real, seen(1, 5, 1))[f"{name}_se"] is None
    assert score(name, real, samples)[f"{name}_se"] > 0


def test_the_standard_error_leaves_the_score_as_it_is(score: Any) -> None:
    with_it, without = (score("inception_score", [], seen(50, 5, 1), bootstrap=replicas) for replicas in (50, 0))
    assert {**with_it, "inception_score_se": None} == without


# --- class accuracy -------------------------------------------------------------------------------------------------


def answered(labels: list[int] | None, answers: list[int], num_logits: int = 5) -> Evaluated:
    asked = None if labels is None else torch.tensor(labels)
    logits: Tensor = torch.eye(num_logits)[answers]
    return Evaluated(torch.zeros(len(answers), 3, 8, 8), asked, torch.zeros(len(answers), 1), logits)


def test_class_accuracy_overall_and_in_the_worst_class(score: Any) -> None:
    assert score("class_accuracy", [], answered([0, 0, 0, 0, 1, 1, 3], [0, 0, 0, 0, 1, 2, 3])) == {
        "class_accuracy": pytest.approx(6 / 7),
        "class_accuracy_se": pytest.approx(math.sqrt(6 / 7 * 1 / 7 / 7)),
        "class_accuracy_worst": 0.5,
    }


@pytest.mark.parametrize("samples", [answered(None, [0, 1]), answered([0, 1], [0, 1], num_logits=1000)])
def test_class_accuracy_is_undefined_without_requested_or_known_classes(samples: Evaluated, score: Any) -> None:
    assert set(score("class_accuracy", [], samples).values()) == {None}
