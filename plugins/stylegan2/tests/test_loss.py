"""The loss ``stylegan2`` in addition to the conformance checks."""

from __future__ import annotations

import pytest
import torch
from cganzoo_stylegan2 import cganzoo_losses, reference
from cganzoo_stylegan2.config import StyleGAN2LossConfig
from cganzoo_stylegan2.loss import StyleGAN2Loss
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.testing import random_batch

OPTIONS = {"embedding_dim": 6, "mapping_layers": 2}


def make(classes: int = 3, **options: object) -> StyleGAN2Loss:
    context = BuildContext(num_classes=classes, image_size=8, feature_dim=5)
    return StyleGAN2Loss(StyleGAN2LossConfig.model_validate({**OPTIONS, **options}), context).double()


def test_score_is_the_inner_product_of_features_and_mapped_class() -> None:
    objective, fake = make(), random_batch(3, 6, 0)
    classes, features = objective.mapping(objective.embedding(fake.labels)), objective.psi(fake.features)
    score = objective.score(fake.features, fake.labels)
    torch.testing.assert_close(score, torch.einsum("ne,ne->n", classes, features) / 6**0.5)
    config = StyleGAN2LossConfig.model_validate(OPTIONS)
    expected = reference.scores(fake, dict(objective.named_parameters()), config)
    torch.testing.assert_close(score, torch.stack(expected))


def test_the_loss_is_logistic_and_not_saturating() -> None:
    objective, real, fake = make(), random_batch(3, 6, 0), random_batch(3, 6, 1)
    of_real, of_fake = (objective.score(batch.features, batch.labels) for batch in (real, fake))
    terms = objective.discriminator_loss(real, fake)
    torch.testing.assert_close(terms["real"], F.softplus(-of_real).mean())
    torch.testing.assert_close(terms["fake"], F.softplus(of_fake).mean())
    torch.testing.assert_close(objective.generator_loss(fake)["adversarial"], F.softplus(-of_fake).mean())


@pytest.mark.parametrize("features", [16, 512])
def test_scores_begin_as_large_as_the_features(features: int) -> None:
    context = BuildContext(num_classes=50, image_size=8, feature_dim=features)
    objective = StyleGAN2Loss(StyleGAN2LossConfig(embedding_dim=64), context)
    score = objective.score(torch.randn(500, features), torch.arange(500) % 50)
    assert score.std().item() == pytest.approx(1, abs=0.4)


def test_it_needs_a_conditional_generator() -> None:
    (spec,) = cganzoo_losses()
    assert spec.conditioning(StyleGAN2LossConfig()) == "conditional"
