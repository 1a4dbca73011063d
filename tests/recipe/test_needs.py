"""Metrics that the counts make impossible, and plugins whose needs cannot be determined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cganzoo import Config, Counts, MetricOutput, MetricSpec, Needs
from cganzoo.errors import PluginError, RecipeError
from cganzoo.recipe.needs import undefined, unmet
from cganzoo.recipe.resolve import Resolved

COUNTS = Counts(samples=3, conditional=False, image_size=8, class_names=("a",), real_images_per_class=(4,))


def metric(name: str, needs: Any) -> tuple[MetricSpec[Any], Config]:
    output = MetricOutput(name=name, summary="A number")
    spec = MetricSpec(name=name, summary="A metric", config=Config, build="x.y:Z", outputs=(output,), needs=needs)
    return spec, Config()


def test_every_metric_that_cannot_be_is_named() -> None:
    metrics = [
        metric("one", lambda config: Needs(samples=4)),
        metric("two", lambda config: Needs(samples=3)),
        metric("three", lambda config: Needs(real_images=5)),
    ]
    found = unmet(metrics, lambda split: COUNTS)
    assert found.count("; metric ") == 1
    assert found.startswith('metric "one" needs at least 4 samples')
    assert 'metric "three" needs at least 5 real images' in found
    assert '"two"' not in found


def test_each_metric_is_checked_with_its_own_split() -> None:
    asked = []

    def counts(split: str) -> Counts:
        asked.append(split)
        return COUNTS

    assert unmet([metric("one", lambda config: Needs())], counts) == ""
    assert asked == ["train"]


def test_undefined_scores_are_listed() -> None:
    metrics = [metric("one", lambda config: Needs(requested_classes=True)), metric("two", lambda config: Needs())]
    expected = ['note: metric "one" will have no score, because the generator takes no class']
    assert undefined(metrics, lambda split: COUNTS) == expected


@pytest.mark.parametrize(
    ("needs", "reason"),
    [
        (lambda config: config.missing, "AttributeError: "),
        (lambda config: None, "TypeError: it returns NoneType, not cganzoo.Needs"),
        (lambda config: Needs(check=lambda counts: 1 / 0), "ZeroDivisionError: "),  # type: ignore[arg-type, return-value]
    ],
)
def test_a_fault_of_the_plugin_is_named(needs: Any, reason: str) -> None:
    with pytest.raises(PluginError, match=rf'metric "one": its needs cannot be determined \({reason}.*author'):
        unmet([metric("one", needs)], lambda split: COUNTS)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("evaluation.samples=5", 'metrics=[{name="prdc"}]'), 'metric "prdc" needs at least 6 samples with nearest_k'),
        (("evaluation.samples=1", 'metrics=[{name="kid"}]'), 'metric "kid" needs at least 2 samples'),
        (("data.image_size=4", 'metrics=[{name="intra_class_msssim"}]'), "images of at least 8 pixels"),
        (('metrics=[{name="kid", subsets=1_000_000_000}]',), "metrics.0.subsets"),
        (('metrics=[{name="prdc", max_images=5}]',), "max_images = 5 must be above nearest_k = 5"),
        (('metrics=[{name="am_score", bootstrap=1_000_000_000}]',), "metrics.0.bootstrap"),
        (('metrics=[{name="intra_class_vendi", images_per_class=1_000_000}]',), "metrics.0.images_per_class"),
        (('metrics=[{name="nearest_neighbours", neighbours=1_000_000}]',), "metrics.0.neighbours"),
    ],
)
def test_the_scores_of_the_zoo_are_refused_when_a_recipe_is_read(
    overrides: tuple[str, ...], message: str, resolved: Callable[..., Resolved], tiny: str
) -> None:
    text = tiny.replace('"cganzoo-dcgan"]', '"cganzoo-dcgan", "cganzoo-scores"]')
    with pytest.raises(RecipeError) as refused:
        resolved(*overrides, text=text)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
