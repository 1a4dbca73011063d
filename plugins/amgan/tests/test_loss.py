"""Tests of AM-GAN in addition to the conformance checks."""

from __future__ import annotations

import pytest
import torch
from cganzoo_amgan import cganzoo_losses, reference
from cganzoo_amgan.config import AMGANConfig
from cganzoo_amgan.loss import AMGAN
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.config import parse
from cganzoo.objective import Batch
from cganzoo.testing import assert_same, random_batch


def make(classes: int, seed: int = 0, **options: object) -> AMGAN:
    torch.manual_seed(seed)
    context = BuildContext(num_classes=classes, image_size=8, feature_dim=5)
    return AMGAN(parse(AMGANConfig, options), context).double()


def test_generator_gradient_with_respect_to_the_logits() -> None:
    """Lemma 1 on eq. 14: the negative gradient of logit k is v(y)_k - D_k, so the sum over all K + 1 logits is 0."""
    objective, fake = make(4), random_batch(4, 6, 0)
    objective.add_module("logits", torch.nn.Identity())
    logits = fake.features
    (gradient,) = torch.autograd.grad(objective.generator_loss(fake)["activation"], logits)
    v = torch.nn.functional.one_hot(fake.labels, 5)
    torch.testing.assert_close(-6 * gradient, v - logits.softmax(1), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradient.sum(1), torch.zeros(6).double(), rtol=0, atol=1e-12)


class TestDynamicLabel:
    def test_is_never_the_fake_class(self) -> None:
        objective = make(3, labeling="dynamic")
        logits = torch.randn(500, 4)
        logits[:, 3] += 100
        assert objective.target(logits, torch.zeros(500).long()).unique().tolist() == [0, 1, 2]

    def test_follows_the_logits_not_the_labels(self) -> None:
        objective = make(3, labeling="dynamic")
        logits, labels = torch.tensor([[2.0, 1.0, 0.0, 9.0], [0.0, 1.0, 2.0, 9.0]]), torch.tensor([1, 1])
        assert objective.target(logits, labels).tolist() == [0, 2]
        assert make(3).target(logits, labels).tolist() == [1, 1]

    def test_carries_no_gradient(self) -> None:
        """The gradient equals that of predefined labeling with the same labels."""
        dynamic, predefined, fake = make(3, labeling="dynamic"), make(3), random_batch(3, 8, 1)
        guessed = Batch(fake.images, dynamic.target(dynamic.logits(fake.features), fake.labels), fake.features)
        assert_same(dynamic, dynamic.generator_loss(fake), dynamic.generator_loss(guessed), fake)
        (one,) = torch.autograd.grad(dynamic.generator_loss(fake)["activation"], fake.features)
        (two,) = torch.autograd.grad(predefined.generator_loss(guessed)["activation"], fake.features)
        assert torch.equal(one, two)


@pytest.mark.parametrize("labeling", ["predefined", "dynamic"])
def test_score_is_log_odds_of_the_target_against_fake(labeling: str) -> None:
    objective, fake = make(3, labeling=labeling), random_batch(3, 6, 0)
    score: Tensor = objective.score(fake.features, fake.labels)
    heads = dict(objective.named_parameters())
    for i, (x, y) in enumerate(zip(fake.features, fake.labels, strict=True)):
        p = reference.softmax(x, heads)
        p_target = p[y] if labeling == "predefined" else p[:-1].max()
        assert score[i].item() == pytest.approx(torch.log(p_target / p[-1]).item(), abs=1e-9)


def test_labeling_decides_between_conditional_and_unconditional_generators() -> None:
    (spec,) = cganzoo_losses()
    assert spec.conditioning(AMGANConfig()) == "conditional"
    assert spec.conditioning(AMGANConfig(labeling="dynamic")) == "unconditional"
