"""Tests of ContraGAN in addition to the conformance checks."""

from __future__ import annotations

import pytest
import torch
from cganzoo_contragan import cganzoo_losses, reference
from cganzoo_contragan.config import ContraGANConfig
from cganzoo_contragan.loss import ContraGAN
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.config import parse
from cganzoo.testing import random_batch


def make(classes: int, seed: int = 0, **options: object) -> ContraGAN:
    torch.manual_seed(seed)
    context = BuildContext(num_classes=classes, image_size=8, feature_dim=5)
    return ContraGAN(parse(ContraGANConfig, options), context).double()


def test_contrastive_loss_is_zero_if_there_is_only_one_class() -> None:
    objective, real = make(1), random_batch(1, 6, 0)
    contrastive = objective.discriminator_loss(real, real)["contrastive_real"]
    assert contrastive.item() == pytest.approx(0, abs=1e-12)


def test_score_is_the_adversarial_logit() -> None:
    objective, fake = make(4), random_batch(4, 6, 0)
    score: Tensor = objective.score(fake.features, fake.labels)
    expected = reference.scores(fake, dict(objective.named_parameters()))
    torch.testing.assert_close(score, torch.stack(expected), rtol=1e-9, atol=1e-9)


def test_is_relational() -> None:
    assert make(3).relational


def test_needs_a_conditional_generator() -> None:
    (spec,) = cganzoo_losses()
    assert spec.conditioning(ContraGANConfig()) == "conditional"
