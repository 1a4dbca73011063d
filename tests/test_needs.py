"""What a metric needs at least: each need is checked as soon as it can be, with a message that says what to change."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from cganzoo import Counts, Needs

FEW = Counts(samples=10, conditional=True, image_size=16)
"""What a recipe alone tells."""

WHOLE = dataclasses.replace(
    FEW,
    class_names=("cat", "dog", "owl"),
    real_images_per_class=(4, 3, 1),
    feature_dim=8,
    predicted_classes=3,
    own_classes=True,
)
"""What is known before the training."""


def counts(known: Counts = WHOLE, **changes: Any) -> Counts:
    return dataclasses.replace(known, **changes)


def test_a_metric_needs_nothing_unless_it_says_so() -> None:
    assert Needs().unmet(FEW) is None
    assert Needs().unmet(WHOLE) is None


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        (Needs(samples=11), "at least 11 samples, and evaluation.samples = 10; raise evaluation.samples"),
        (
            Needs(samples=11, because="splits = 11"),
            "at least 11 samples with splits = 11, and evaluation.samples = 10; change that option, or raise "
            "evaluation.samples",
        ),
        (Needs(samples_per_class=11), "at least 11 samples, and evaluation.samples = 10; raise evaluation.samples"),
        (
            Needs(image_size=32),
            "images of at least 32 pixels, and data.image_size = 16; raise data.image_size",
        ),
    ],
)
def test_the_recipe_alone_tells(needs: Needs, message: str) -> None:
    assert needs.unmet(FEW) == needs.unmet(WHOLE) == message


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        (
            Needs(samples_per_class=4),
            "at least 4 samples of each class, and evaluation.samples = 10 gives some of the 3 classes 3; raise "
            "evaluation.samples to 12",
        ),
        (Needs(real_images=9), "at least 9 real images, and the test split has 8; add images"),
        (
            Needs(real_images_per_class=2),
            'at least 2 real images of each class, and class "owl" has 1 in the test split; add images of it, or leave '
            "the class out",
        ),
        (
            Needs(real_images_per_class=4, because="k = 3"),
            'at least 4 real images of each class with k = 3, and class "dog" has 3 in the test split (1 other class '
            "has too few); change that option, or add images of it, or leave the class out",
        ),
        (Needs(classes=4), "at least 4 classes, and the data set has 3; add some"),
        (
            Needs(check=lambda counts: f"more than {counts.real_images} real images; add some"),
            "more than 8 real images; add some",
        ),
    ],
)
def test_the_data_set_tells(needs: Needs, message: str) -> None:
    assert needs.unmet(FEW, "test") is None
    assert needs.unmet(WHOLE, "test") == message


def test_the_extractor_tells() -> None:
    needs, without = Needs(predictions=True), counts(predicted_classes=0)
    assert needs.unmet(counts(predicted_classes=None)) is None
    assert needs.unmet(WHOLE) is None
    assert needs.unmet(without) == (
        "class predictions, and the extractor has none; write another name in [evaluation.extractor]"
    )


def test_a_check_of_features_waits_for_the_extractor() -> None:
    needs = Needs(check=lambda counts: "fewer features" if (counts.feature_dim or 0) > 4 else None)
    assert needs.unmet(counts(feature_dim=None)) is None
    assert needs.unmet(WHOLE) == "fewer features"


@pytest.mark.parametrize(
    ("needs", "enough"),
    [
        (Needs(samples=10), WHOLE),
        (Needs(samples_per_class=3), WHOLE),
        (Needs(real_images=8), WHOLE),
        (Needs(real_images_per_class=1), WHOLE),
        (Needs(classes=3), WHOLE),
        (Needs(image_size=16), WHOLE),
    ],
)
def test_exactly_enough_is_enough(needs: Needs, enough: Counts) -> None:
    assert needs.unmet(enough) is None


def test_eleven_hundred_classes_need_as_many_samples_each() -> None:
    names = tuple(f"class {index}" for index in range(1100))
    many = counts(samples=2000, class_names=names, real_images_per_class=(5,) * 1100)
    message = Needs(samples_per_class=2).unmet(many)
    assert message == (
        "at least 2 samples of each class, and evaluation.samples = 2000 gives some of the 1100 classes 1; raise "
        "evaluation.samples to 2200"
    )
    assert Needs(samples_per_class=2).unmet(dataclasses.replace(many, samples=2200)) is None


def test_the_classes_of_an_unconditional_generator_are_not_known_before() -> None:
    unconditional = counts(conditional=False)
    assert Needs(samples_per_class=4).unmet(unconditional) is None
    assert Needs(samples_per_class=11).unmet(unconditional) is not None


def test_an_undefined_score_is_no_unmet_need() -> None:
    needs = Needs(requested_classes=True, own_predictions=True, samples=100, real_images_per_class=100)
    assert needs.undefined(counts(conditional=False)) == "the generator takes no class"
    assert needs.unmet(counts(conditional=False)) is None
    others = counts(own_classes=False, predicted_classes=1000)
    assert needs.undefined(others) == "the extractor predicts other classes than those of the data set"
    assert needs.undefined(counts(own_classes=False, predicted_classes=0)) == "the extractor predicts no classes"
    assert needs.undefined(WHOLE) is None
    assert needs.unmet(WHOLE) is not None
    refused = dataclasses.replace(needs, predictions=True)
    assert refused.undefined(counts(own_classes=False, predicted_classes=0)) is None


def test_a_long_class_name_is_shortened() -> None:
    message = Needs(real_images_per_class=2).unmet(counts(class_names=("a", "b", "c" * 500)))
    assert message is not None
    assert len(message) < 200
