"""ContraGAN against its naive reference, and what it promises."""

from __future__ import annotations

import pytest
import torch
from cganzoo_contragan import build, cganzoo_losses, reference
from cganzoo_contragan.config import ContraGANConfig
from cganzoo_contragan.loss import ContraGAN
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.config import parse
from cganzoo.testing import CASES, assert_same, random_batch


def make(classes: int, seed: int = 0, **options: object) -> ContraGAN:
    torch.manual_seed(seed)
    context = BuildContext(num_classes=classes, image_size=8, feature_dim=5)
    return build(parse(ContraGANConfig, options), context).double()


@pytest.mark.parametrize(("classes", "size", "seed"), CASES)
@pytest.mark.parametrize(("weight", "temperature"), [(1.0, 1.0), (0.3, 0.2)])
def test_equals_the_reference(classes: int, size: int, seed: int, weight: float, temperature: float) -> None:
    objective = make(classes, seed, weight=weight, temperature=temperature, embedding_dim=6)
    heads, real, fake = (
        dict(objective.named_parameters()),
        random_batch(classes, size, seed),
        random_batch(classes, size, seed + 9),
    )
    naive = reference.discriminator_loss(heads, real, fake, weight, temperature)
    assert_same(objective, objective.discriminator_loss(real, fake), naive, real, fake)
    naive = reference.generator_loss(heads, fake, weight, temperature)
    assert_same(objective, objective.generator_loss(fake), naive, fake)


def test_one_class_alone_has_nothing_to_contrast() -> None:
    objective, real = make(1), random_batch(1, 6, 0)
    contrastive = objective.discriminator_loss(real, real)["contrastive_real"]
    assert contrastive.item() == pytest.approx(0, abs=1e-12)


def test_temperature_follows_its_schedule() -> None:
    objective, fake = make(3, temperature={"from": 1.0, "to": 0.5, "steps": 10}), random_batch(3, 6, 0)
    objective.advance(5, 10)
    actual = objective.generator_loss(fake)["contrastive_fake"]
    expected = reference.contrastive(fake, dict(objective.named_parameters()), 0.75)
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


def test_score_is_the_adversarial_logit() -> None:
    objective, fake = make(4), random_batch(4, 6, 0)
    score: Tensor = objective.score(fake.features, fake.labels)
    expected = [reference.score(x, dict(objective.named_parameters())) for x in fake.features]
    torch.testing.assert_close(score, torch.stack(expected), rtol=1e-9, atol=1e-9)


def test_compares_samples_with_each_other() -> None:
    assert make(3).relational


def test_needs_a_conditional_generator() -> None:
    (spec,) = cganzoo_losses()
    assert spec.conditioning(ContraGANConfig()) == "conditional"
