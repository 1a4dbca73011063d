"""The one pass over samples that feeds all metrics."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from evaluating import (
    COUNT,
    DIM,
    HAS_LABELS,
    REAL,
    SAMPLING,
    SIZE,
    TEST,
    HasLabels,
    NoOptions,
    constant,
    evaluate,
    evaluator,
    features_of,
    real_images,
    samples,
    spec,
)
from torch import Tensor

from cganzoo import BuildContext, MetricSpec
from cganzoo.data.batches import to_unit
from cganzoo.errors import DivergenceError
from cganzoo.metric import Evaluated, Metric, Recall
from cganzoo.networks import Generator


def test_scores_equal_a_direct_computation_on_rounded_samples() -> None:
    result = evaluate()
    images = torch.cat([images for images, _ in samples()])
    pixels = ((images + 1) * 127.5).round().to(torch.uint8).numpy()
    expected = (features_of(real_images().images).mean(0) - features_of(pixels).mean(0)).norm().item()
    assert result.scores["distance"] == pytest.approx(expected, rel=1e-5)
    assert (result.scores["real_count"], result.scores["sample_count"]) == (REAL, COUNT)


@pytest.mark.parametrize(("sample_batch", "real_batch"), [(1, 31), (20, 1), (6, 4)])
def test_batch_sizes_do_not_matter(sample_batch: int, real_batch: int) -> None:
    expected = evaluate()
    result = evaluator(batch_size=real_batch).evaluate(samples(batch_size=sample_batch), COUNT, sampling=SAMPLING)
    assert result.scores == pytest.approx(expected.scores, rel=1e-4)
    assert result.real_halves == pytest.approx(expected.real_halves, rel=1e-4)
    assert result.real_test == pytest.approx(expected.real_test, rel=1e-4)
    assert result.protocol == expected.protocol


def test_the_order_of_samples_does_not_matter() -> None:
    expected = evaluate()
    result = evaluator().evaluate(reversed(list(samples())), COUNT, sampling=SAMPLING)
    assert result.scores == pytest.approx(expected.scores, rel=1e-4)


def test_metrics_are_built_for_the_extractors_features() -> None:
    contexts: list[BuildContext] = []

    def build(config: NoOptions, context: BuildContext) -> Metric:
        contexts.append(context)
        return HasLabels()

    noting = dataclasses.replace(HAS_LABELS, build=build)
    evaluate(noting)
    assert {context.feature_dim for context in contexts} == {DIM}


def test_unconditional_samples_have_no_labels_and_real_images_do() -> None:
    result = evaluator(HAS_LABELS).evaluate(samples(labelled=False), COUNT, sampling=SAMPLING)
    assert result.scores == {"has_labels": None}
    assert (result.real_halves, result.real_test) == ({"has_labels": 1.0}, {"has_labels": 1.0})


def test_values_that_are_not_finite_become_none_and_all_is_json() -> None:
    odd = spec("odd", lambda config, context: constant(a=math.inf, b=math.nan, c=2.0)(), "a", "b", "c")
    result = evaluate(odd)
    assert result.scores == {"a": None, "b": None, "c": 2.0}
    assert result.failures == {"odd": '"a" is inf, "b" is nan, which is not a finite number'}
    json.dumps([result.scores, result.real_test, result.real_halves, result.protocol], allow_nan=False)


def test_a_metric_that_reports_something_undeclared_is_named() -> None:
    wrong = spec("wrong", lambda config, context: constant(other=1.0)(), "declared")
    result = evaluate(wrong)
    assert result.scores == {"declared": None}
    expected = "it reports ['other'], but its spec declares ['declared']; report this to the plugin's author"
    assert result.failures == {"wrong": expected}


def by_class(**values: list[float]) -> MetricSpec[Any]:
    class ByClass(constant(mean=1.0)):  # type: ignore[misc]
        def per_class(self) -> dict[str, list[float]]:
            return values

    return spec("by_class", lambda config, context: ByClass(), "mean")


def test_scores_of_each_class_are_kept_in_the_order_of_classes() -> None:
    found = evaluate(by_class(mean=[1.0, math.nan, 3.0]))
    assert found.per_class == {"mean": [1.0, None, 3.0]}
    assert evaluate().per_class == {}


@pytest.mark.parametrize("values", [{"mean": [1.0, 2.0]}, {"other": [1.0, 2.0, 3.0]}])
def test_a_metric_that_reports_other_classes_or_an_undeclared_score_is_named(values: dict[str, list[float]]) -> None:
    result = evaluate(by_class(**values))
    assert (result.scores, result.per_class) == ({"mean": 1.0}, {})
    assert re.match(r"it reports . numbers of .*; report this to the plugin's author", result.failures["by_class"])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_samples_that_are_not_finite_are_refused(value: float) -> None:
    batches = [(torch.full((COUNT, 1, SIZE, SIZE), value), None)]
    with pytest.raises(DivergenceError, match="not finite"):
        evaluator().evaluate(batches, COUNT, sampling=SAMPLING)


@pytest.mark.parametrize("announced", [COUNT - 1, COUNT + 1])
def test_the_number_of_samples_is_the_one_announced(announced: int) -> None:
    with pytest.raises(ValueError, match=f"{announced} samples were announced, {COUNT} came"):
        evaluator().evaluate(samples(), announced, sampling=SAMPLING)


def test_each_stage_shows_its_progress() -> None:
    told: list[tuple[str, int, int]] = []

    @contextmanager
    def stage(what: str) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, total: told.append((what, done, total))

    many = evaluator(stage=stage)
    many.evaluate(samples(), COUNT, sampling=SAMPLING)
    scoring = [("scoring", done, COUNT) for done in (7, 14, 20)]
    looked = [("computing features of the train images", done, REAL) for done in (10, 20, 30, 31)]
    tested = [("computing features of the test images", done, TEST) for done in (10, 13)]
    rows = [("scoring real images (test)", done, TEST) for done in (10, 13)]
    rows += [("scoring real images (halves)", done, 15) for done in (10, 15)]
    assert sorted(told) == sorted(looked + scoring + tested + rows)
    told.clear()
    many.evaluate(samples(), COUNT, sampling=SAMPLING)
    assert told == scoring


def test_a_metric_may_use_the_generator_with_gradients() -> None:
    class Doubling(Generator):
        conditional = True

        def __init__(self) -> None:
            super().__init__()
            self.latent_dim = 2
            self.factor = torch.nn.Parameter(torch.tensor(2.0))

        def forward(self, z: Tensor, labels: Tensor) -> Tensor:
            return self.factor * z

    class Slope(Metric):
        slope: float | None = None

        def update_generator(self, generator: Generator, z: Tensor, labels: Tensor) -> None:
            z.requires_grad_()
            (slope,) = torch.autograd.grad(generator(z, labels).sum(), z)
            self.slope = slope.mean().item()

        def update(self, batch: Evaluated) -> None:
            pass

        def compute(self) -> dict[str, float | None]:
            return {"slope": self.slope}

    slope = spec("slope", lambda config, context: Slope(), "slope")
    with torch.inference_mode():
        noise = torch.randn(5, 2), torch.arange(5)
    generator = Doubling()
    result = evaluator(slope).evaluate(samples(), COUNT, sampling=SAMPLING, generator=generator, noise=noise)
    assert (result.scores, result.real_halves, result.real_test) == ({"slope": 2.0}, {"slope": None}, {"slope": None})
    assert generator.factor.grad is None


def test_a_metric_may_draw_a_picture_of_training_images() -> None:
    class Last(Metric):
        def update(self, batch: Evaluated) -> None:
            pass

        def compute(self) -> dict[str, float | None]:
            return {"last": 1.0}

        def pictures(self, recall: Recall) -> Mapping[str, Tensor]:
            return {"last": recall(torch.tensor([REAL - 1, 0]))[0]}

    last = spec("last", lambda config, context: Last(), "last")
    result = evaluate(last)
    assert torch.equal(result.pictures["last"], to_unit(torch.from_numpy(real_images().images[-1])))


def test_global_randomness_is_left_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].tobytes()
    evaluate()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state(legacy=False)["state"]["key"].tobytes() == before[1]
