"""Tests of ReACGAN in addition to the conformance checks."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from cganzoo_reacgan import cganzoo_losses, reference
from cganzoo_reacgan.config import ReACGANConfig
from cganzoo_reacgan.loss import ReACGAN, d2d_ce
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.config import parse
from cganzoo.testing import LossConformance, assert_same, random_batch


def make(classes: int, seed: int = 0, **options: object) -> ReACGAN:
    torch.manual_seed(seed)
    context = BuildContext(num_classes=classes, image_size=8, feature_dim=5)
    return ReACGAN(parse(ReACGANConfig, options), context).double()


OPTIONS = [
    {"weight": 0.5, "margin_positive": 0.98, "temperature": 0.5},
    {"weight": 0.75, "margin_positive": 1.0, "temperature": 0.75},
    {"weight": 1.0, "margin_positive": 0.2, "margin_negative": -0.3, "temperature": 0.25},
]


@pytest.mark.parametrize("options", [OPTIONS[-1], *(pytest.param(one, marks=pytest.mark.slow) for one in OPTIONS[:-1])])
@pytest.mark.parametrize("form", ["paper", "released"])
def test_equals_the_reference(options: dict[str, float], form: str) -> None:
    chosen = {"name": "cganzoo-reacgan/reacgan", "options": {**options, "form": form}, "variants": [{}]}
    type("Chosen", (LossConformance,), chosen)().test_equals_its_reference()


def angles(*degrees: float) -> Tensor:
    """Unit vectors in the plane, (N, 2)."""
    radians = torch.tensor([math.radians(d) for d in degrees], dtype=torch.float64)
    return torch.stack([radians.cos(), radians.sin()], 1).requires_grad_()


def pulls(form: Literal["paper", "released"], embeddings: Tensor, proxies: Tensor, labels: list[int]) -> list[Tensor]:
    """Negative gradients of embeddings and proxies; the margins are at 25.8 and 84.3 degrees."""
    scalars = {"margin_positive": 0.9, "margin_negative": 0.1, "temperature": 0.5}
    loss = d2d_ce(embeddings, proxies, torch.tensor(labels), form=form, **scalars)
    return [-gradient for gradient in torch.autograd.grad(loss, [embeddings, proxies])]


@pytest.mark.parametrize("form", ["paper", "released"])
class TestEasySamples:
    def test_easy_positives_do_not_move_their_proxies(self, form: Literal["paper", "released"]) -> None:
        """Sample 0 is 10 degrees from its proxy, sample 1 is 30 degrees from its proxy."""
        _, proxy_pull = pulls(form, angles(0, 70), angles(10, 40), [0, 1])
        assert torch.equal(proxy_pull[0], torch.zeros(2).double())
        assert proxy_pull[1].abs().min() > 0

    def test_easy_negatives_do_not_move_each_other(self, form: Literal["paper", "released"]) -> None:
        """With only easy positives and easy negatives, every gradient is exactly zero."""
        for pull in pulls(form, angles(0, 90, 200), angles(5, 95, 190), [0, 1, 2]):
            assert torch.equal(pull, torch.zeros(3, 2).double())

    def test_samples_of_one_class_do_not_push_each_other(self, form: Literal["paper", "released"]) -> None:
        for pull in pulls(form, angles(0, 5, 10), angles(60, 60, 60), [1, 1, 1]):
            assert torch.equal(pull, torch.zeros(3, 2).double())

    def test_hard_negatives_are_pushed_apart(self, form: Literal["paper", "released"]) -> None:
        embeddings = angles(0, 60)
        pull, _ = pulls(form, embeddings, angles(0, 60), [0, 1])
        counterclockwise = torch.stack([-embeddings[:, 1], embeddings[:, 0]], 1)
        turn = (pull * counterclockwise).sum(1)
        assert turn[0] < 0 < turn[1]


@pytest.mark.parametrize("degrees", [20, 50, 70])
def test_released_form_divides_the_negatives_by_the_row_maximum(degrees: float) -> None:
    """Two samples of two classes, each equal to its proxy: the released form is log 2 for every cosine."""
    embeddings, labels = angles(0, degrees), torch.tensor([0, 1])
    scalars = {"margin_positive": 0.9, "margin_negative": 0.1, "temperature": 0.5}
    paper, released = (
        d2d_ce(embeddings, embeddings.detach(), labels, form=form, **scalars) for form in ("paper", "released")
    )
    similarity = (math.cos(math.radians(degrees)) - 0.1) / 0.5
    assert paper.item() == pytest.approx(math.log(1 + math.exp(similarity)), rel=1e-12)
    assert released.item() == pytest.approx(math.log(2), rel=1e-12)
    (pull,) = torch.autograd.grad(released, embeddings)
    assert pull.abs().max() > 0  # no gradient flows through the maximum


def test_margin_negative_is_tied_to_a_scheduled_margin_positive() -> None:
    objective, fake = make(3, margin_positive={"from": 0.5, "to": 1.0}), random_batch(3, 8, 0)
    objective.advance(5, 10)
    naive = reference.generator_loss(
        dict(objective.named_parameters()), fake, ReACGANConfig(margin_positive=0.75, margin_negative=0.25)
    )
    assert_same(objective, objective.generator_loss(fake), naive, fake)


def test_score_is_the_adversarial_logit() -> None:
    objective, fake = make(4), random_batch(4, 6, 0)
    expected = reference.scores(fake, dict(objective.named_parameters()))
    torch.testing.assert_close(objective.score(fake.features, fake.labels), torch.stack(expected), rtol=1e-9, atol=1e-9)


def test_is_relational() -> None:
    assert make(3).relational


def test_needs_a_conditional_generator() -> None:
    (spec,) = cganzoo_losses()
    assert spec.conditioning(ReACGANConfig()) == "conditional"
