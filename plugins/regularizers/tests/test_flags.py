"""What each regularizer declares about itself, and its defaults in a recipe."""

from __future__ import annotations

from typing import Any

import pytest
from cganzoo_regularizers import cganzoo_regularizers
from cganzoo_regularizers.config import LeCamConfig, ZCRConfig
from pydantic import ValidationError

from cganzoo.config import parse

FLAGS = ("uses_image_gradients", "uses_score", "stochastic", "relational", "uses_real_in_generator_loss")
WEIGHTS = {"r1": 10, "r2": 10, "gradient_penalty": 10, "dragan": 10, "cr": 10, "bcr": 10, "zcr": 1, "lecam": 0.3}


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("r1", {}, {"uses_image_gradients", "uses_score"}),
        ("r2", {}, {"uses_image_gradients", "uses_score"}),
        ("gradient_penalty", {}, {"uses_image_gradients", "uses_score", "stochastic"}),
        ("dragan", {}, {"uses_image_gradients", "uses_score", "stochastic", "relational"}),
        ("cr", {}, {"uses_score", "stochastic"}),
        ("cr", {"of": "features"}, {"stochastic"}),
        ("bcr", {}, {"uses_score", "stochastic"}),
        ("bcr", {"of": "features"}, {"stochastic"}),
        ("zcr", {}, {"uses_score", "stochastic"}),
        ("lecam", {}, {"uses_score", "relational"}),
        ("orthogonal", {}, set()),
    ],
)
def test_it_declares_what_it_uses(made: Any, name: str, options: dict[str, Any], expected: set[str]) -> None:
    regularizer = made(name, **options)
    assert {flag for flag in FLAGS if getattr(regularizer, flag)} == expected


def test_weights_and_intervals_are_those_of_the_papers() -> None:
    specs = cganzoo_regularizers()
    assert {spec.name: spec.weight for spec in specs} == {**WEIGHTS, "orthogonal": 1e-4}
    assert {spec.every for spec in cganzoo_regularizers()} == {1}


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (LeCamConfig, {"decay": 1.0}),
        (LeCamConfig, {"start": -1}),
        (ZCRConfig, {"noise": 0.0}),
        (ZCRConfig, {"generator_factor": -1.0}),
    ],
)
def test_values_without_a_meaning_are_refused(config: Any, values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        parse(config, values)


def test_no_regularizer_has_parameters(made: Any) -> None:
    assert not any(list(made(spec.name).parameters()) for spec in cganzoo_regularizers())
