"""Tests of ECGAN in addition to the conformance checks."""

from __future__ import annotations

import pytest
import torch
from cganzoo_ecgan import cganzoo_losses, reference
from cganzoo_ecgan.config import ECGANConfig
from cganzoo_ecgan.loss import ECGAN, build
from pydantic import ValidationError
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.config import parse
from cganzoo.testing import LossConformance, random_batch


def make(classes: int, seed: int = 0, **options: object) -> ECGAN:
    torch.manual_seed(seed)
    context = BuildContext(num_classes=classes, image_size=8, feature_dim=5)
    return build(parse(ECGANConfig, options), context).double()


OPTIONS = [
    {"alpha": 0.5, "lambda_clf": 0.1},
    {"alpha": 1, "lambda_clf": 0.05, "lambda_c": 1},
    {"alpha": 0, "lambda_clf": 0, "lambda_c": 0.7, "temperature": 0.4},
]


@pytest.mark.parametrize("options", [OPTIONS[-1], *(pytest.param(one, marks=pytest.mark.slow) for one in OPTIONS[:-1])])
@pytest.mark.parametrize("combine", ["losses", "logits"])
def test_equals_the_reference(options: dict[str, float], combine: str) -> None:
    chosen = {"name": "cganzoo-ecgan/ecgan", "options": {**options, "combine": combine}, "variants": [{}]}
    type("Chosen", (LossConformance,), chosen)().test_equals_its_reference()


@pytest.mark.parametrize(
    ("variant", "alpha", "lambda_clf", "lambda_c"),
    [
        ("0", 0, 0, 0),
        ("U", 1, 0, 0),
        ("C", 0, 0.05, 0),
        ("E", 0, 0, 1),
        ("UC", 1, 0.05, 0),
        ("UE", 1, 0, 1),
        ("CE", 0, 0.05, 1),
        ("UCE", 1, 0.05, 1),
    ],
)
def test_variants_set_the_weights(variant: str, alpha: float, lambda_clf: float, lambda_c: float) -> None:
    config = parse(ECGANConfig, {"variant": variant})
    assert (config.alpha, config.lambda_clf, config.lambda_c) == (alpha, lambda_clf, lambda_c)
    assert make(3, variant=variant).relational == (lambda_c > 0)
    resolved = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert parse(ECGANConfig, resolved) == config


def test_default_is_uc() -> None:
    weights = {"alpha", "lambda_clf", "lambda_c"}
    assert ECGANConfig().model_dump(include=weights) == ECGANConfig(variant="UC").model_dump(include=weights)


def test_given_weights_override_the_values_of_a_variant() -> None:
    config = parse(ECGANConfig, {"variant": "UC", "lambda_clf": 0.01})
    assert (config.alpha, config.lambda_clf, config.lambda_c) == (1, 0.01, 0)


@pytest.mark.parametrize(
    ("options", "letters"),
    [
        ({"variant": "UC", "lambda_c": 1}, "UCE"),
        ({"variant": "UC", "alpha": 0}, "C"),
        ({"variant": "0", "alpha": 0.1}, "U"),
        ({"variant": "U", "alpha": 0}, "0"),
        ({"variant": "U", "lambda_clf": {"from": 0.0, "to": 1.0}}, "UC"),
    ],
)
def test_weights_that_contradict_the_variant_are_an_error(options: dict[str, object], letters: str) -> None:
    with pytest.raises(ValidationError, match=f'write variant = "{letters}"'):
        parse(ECGANConfig, options)


def test_hinge_generator_loss_is_equal_for_added_losses_and_added_logits() -> None:
    losses, logits, fake = make(4, combine="losses"), make(4, combine="logits"), random_batch(4, 6, 0)
    one, two = (sum(objective.generator_loss(fake).values()) for objective in (losses, logits))
    torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


def test_discriminator_loss_differs_for_added_losses_and_added_logits() -> None:
    real, fake = random_batch(4, 6, 0), random_batch(4, 6, 1)
    one, two = (
        sum(make(4, combine=combine).discriminator_loss(real, fake).values()) for combine in ("losses", "logits")
    )
    assert abs(one - two) > 0.1


@pytest.mark.parametrize("combine", ["losses", "logits"])
def test_score(combine: str) -> None:
    objective, fake = make(4, alpha=0.5, combine=combine), random_batch(4, 6, 0)
    score: Tensor = objective.score(fake.features, fake.labels)
    config = parse(ECGANConfig, {"alpha": 0.5, "combine": combine})
    expected = torch.stack(reference.scores(fake, dict(objective.named_parameters()), config))
    torch.testing.assert_close(score, expected, rtol=1e-9, atol=1e-9)


def test_needs_a_conditional_generator() -> None:
    (spec,) = cganzoo_losses()
    assert spec.conditioning(ECGANConfig()) == "conditional"
