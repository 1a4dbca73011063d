"""Tests of LabelGAN in addition to the conformance checks."""

from __future__ import annotations

import torch
from cganzoo_labelgan import cganzoo_losses, reference
from cganzoo_labelgan.config import LabelGANConfig
from cganzoo_labelgan.loss import LabelGAN
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.config import parse
from cganzoo.testing import random_batch


def make(classes: int, seed: int = 0, **options: object) -> LabelGAN:
    torch.manual_seed(seed)
    context = BuildContext(num_classes=classes, image_size=8, feature_dim=5)
    return LabelGAN(parse(LabelGANConfig, options), context).double()


def test_generator_gradient_with_respect_to_the_logits() -> None:
    """Eq. 11: the negative gradient is (1 - D_r) D_k / D_r for real class k, and D_r - 1 for the fake class."""
    objective, fake = make(4), random_batch(4, 6, 0)
    objective.add_module("logits", torch.nn.Identity())
    logits = fake.features
    (gradient,) = torch.autograd.grad(objective.generator_loss(fake)["adversarial"], logits)
    p = logits.softmax(1)
    p_real = p[:, :-1].sum(1, keepdim=True)
    expected = torch.cat([(1 - p_real) * p[:, :-1] / p_real, p_real - 1], 1)
    torch.testing.assert_close(-6 * gradient, expected, rtol=1e-9, atol=1e-9)


def test_generator_gradient_with_respect_to_the_features() -> None:
    """Eq. 12 and 13: (1 - D_r) sum_k alpha_k dl_k/dx with alpha_k = D_k / D_r and alpha_{K+1} = -1."""
    objective, fake = make(4), random_batch(4, 6, 0)
    (gradient,) = torch.autograd.grad(objective.generator_loss(fake)["adversarial"], fake.features)
    heads = dict(objective.named_parameters())
    for x, pull in zip(fake.features, -6 * gradient, strict=True):
        p = reference.softmax(x, heads)
        alpha = torch.cat([p[:-1] / p[:-1].sum(), -torch.ones(1).double()])
        expected = (1 - p[:-1].sum()) * (alpha @ heads["logits.weight"])
        torch.testing.assert_close(pull, expected, rtol=1e-9, atol=1e-9)


def test_score_is_log_odds_of_real() -> None:
    objective, fake = make(4), random_batch(4, 6, 0)
    score: Tensor = objective.score(fake.features, fake.labels)
    expected = [1 - reference.softmax(x, dict(objective.named_parameters()))[-1] for x in fake.features]
    torch.testing.assert_close(score.sigmoid(), torch.stack(expected), rtol=1e-9, atol=1e-9)


def test_works_with_conditional_and_unconditional_generators() -> None:
    (spec,) = cganzoo_losses()
    assert spec.conditioning(LabelGANConfig()) == "any"
