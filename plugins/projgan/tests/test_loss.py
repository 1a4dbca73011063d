"""Tests of ProjGAN in addition to the conformance checks."""

from __future__ import annotations

import pytest
import torch
from cganzoo_projgan import cganzoo_losses, reference
from cganzoo_projgan.config import ProjGANConfig
from cganzoo_projgan.loss import ProjGAN
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.config import parse
from cganzoo.testing import random_batch


def make(classes: int, seed: int = 0, **options: object) -> ProjGAN:
    torch.manual_seed(seed)
    context = BuildContext(num_classes=classes, image_size=8, feature_dim=5)
    return ProjGAN(parse(ProjGANConfig, options), context).double()


def test_score_is_projection_plus_unconditional_term() -> None:
    objective, fake = make(4), random_batch(4, 6, 0)
    score: Tensor = objective.score(fake.features, fake.labels)
    expected = torch.stack(reference.scores(fake, dict(objective.named_parameters()), ProjGANConfig()))
    torch.testing.assert_close(score, expected, rtol=1e-9, atol=1e-9)


def test_initial_projection_is_not_much_larger_than_the_unconditional_term() -> None:
    torch.manual_seed(0)
    objective = ProjGAN(ProjGANConfig(), BuildContext(num_classes=10, image_size=8, feature_dim=512))
    features, labels = torch.randn(64, 512), torch.arange(64) % 10
    assert objective.score(features, labels).std() < 3  # an N(0, 1) embedding gives about 23


@pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (5, 0.5), (10, 1.0)])
def test_the_class_term_follows_its_schedule(step: int, weight: float) -> None:
    objective, batch = make(4, class_weight={"from": 0.0, "to": 1.0}), random_batch(4, 6, 0)
    objective.advance(step, 10)
    score: Tensor = objective.score(batch.features, batch.labels)
    class_term = (objective.embedding(batch.labels) * batch.features).sum(1)
    torch.testing.assert_close(score, objective.psi(batch.features)[:, 0] + weight * class_term)
    if weight == 0:
        assert torch.equal(score, objective.score(batch.features, batch.labels.flip(0)))


def test_needs_a_conditional_generator() -> None:
    (spec,) = cganzoo_losses()
    assert spec.conditioning(ProjGANConfig()) == "conditional"
