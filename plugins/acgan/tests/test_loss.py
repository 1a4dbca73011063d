"""Tests of the AC-GAN family in addition to the conformance checks."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from cganzoo_acgan import cganzoo_losses, reference
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.config import parse
from cganzoo.objective import Batch, Terms
from cganzoo.testing import assert_same, random_batch

SPECS = {spec.name: spec for spec in cganzoo_losses()}


def make(name: str, classes: int, seed: int = 0, **options: object) -> Any:
    """A loss of the family; equal seeds give equal heads."""
    torch.manual_seed(seed)
    context = BuildContext(num_classes=classes, image_size=8, feature_dim=5)
    return SPECS[name].build(parse(SPECS[name].config, options), context).double()


def differences(one: Terms, two: Terms) -> dict[str, Tensor]:
    """The terms of ``two`` that are not in ``one``; asserts that the common terms are equal bit for bit."""
    assert all(torch.equal(one[name], two[name]) for name in one)
    return {name: value for name, value in two.items() if name not in one}


class TestFamily:
    """Each loss adds one term to another one (arXiv:1703.02000, sections 2.2 and 7.1)."""

    classes, real, fake = 4, random_batch(4, 6, 0), random_batch(4, 6, 1)

    def losses(self, name: str, **options: Any) -> tuple[Terms, Terms, Any]:
        objective = make(name, self.classes, **options)
        return objective.discriminator_loss(self.real, self.fake), objective.generator_loss(self.fake), objective

    def cross_entropy(self, objective: Any, batch: Batch) -> Tensor:
        return torch.nn.functional.cross_entropy(objective.classifier(batch.features), batch.labels)

    def test_gan_star_classifies_real_samples_in_d_only(self) -> None:
        gan, star = self.losses("gan"), self.losses("gan_star")
        extra = differences(gan[0], star[0])
        assert extra.keys() == {"class_real"}
        assert torch.equal(extra["class_real"], 0.1 * self.cross_entropy(star[2], self.real))
        assert differences(gan[1], star[1]) == {}

    def test_acgan_star_adds_a_class_term_to_g_only(self) -> None:
        star, acgan_star = self.losses("gan_star", discriminator_class_weight=1.0), self.losses("acgan_star")
        assert differences(star[0], acgan_star[0]) == {}
        extra = differences(star[1], acgan_star[1])
        assert extra.keys() == {"class_fake"}
        assert torch.equal(extra["class_fake"], self.cross_entropy(acgan_star[2], self.fake))

    def test_acgan_adds_the_cross_entropy_of_fakes_to_d_only(self) -> None:
        acgan_star, acgan = self.losses("acgan_star"), self.losses("acgan")
        extra = differences(acgan_star[0], acgan[0])
        assert extra.keys() == {"class_fake"}
        assert torch.equal(extra["class_fake"], self.cross_entropy(acgan[2], self.fake))
        assert differences(acgan_star[1], acgan[1]) == {}

    def test_acgan_star_plus_adds_the_uniform_cross_entropy_of_fakes_to_d_only(self) -> None:
        acgan_star, plus = self.losses("acgan_star"), self.losses("acgan_star_plus")
        extra = differences(acgan_star[0], plus[0])
        assert extra.keys() == {"undecided"}
        uniform = torch.full((6, self.classes), 1 / self.classes, dtype=torch.float64)
        expected = torch.nn.functional.cross_entropy(plus[2].classifier(self.fake.features), uniform)
        torch.testing.assert_close(extra["undecided"], expected, rtol=1e-12, atol=1e-12)
        assert differences(acgan_star[1], plus[1]) == {}


def test_undecided_is_minimal_at_the_uniform_distribution() -> None:
    objective, fake = make("acgan_star_plus", 4), random_batch(4, 6, 0)
    assert objective.discriminator_loss(fake, fake)["undecided"].item() > math.log(4) + 1e-3
    torch.nn.init.zeros_(objective.classifier.weight)
    torch.nn.init.zeros_(objective.classifier.bias)
    assert objective.discriminator_loss(fake, fake)["undecided"].item() == pytest.approx(math.log(4), abs=1e-12)


def test_logit_gradients() -> None:
    """-dL/dl is 1 - D_r for the binary logit, u(y) - C for the class logits, and 1/K - C for AC-GAN*+ on fakes."""
    objective, fake = make("acgan_star_plus", 4), random_batch(4, 6, 0)
    eye = torch.eye(5, dtype=torch.float64)  # the heads return the features: one binary logit, four class logits
    state = {"realness.weight": eye[:1], "classifier.weight": eye[1:]}
    objective.load_state_dict({name: state.get(name, value * 0) for name, value in objective.state_dict().items()})
    binary, classes = fake.features[:, :1], fake.features[:, 1:]
    nothing = torch.zeros(6, 4, dtype=torch.float64)
    terms = objective.generator_loss(fake)
    (pull,) = torch.autograd.grad(-6 * terms["adversarial"], fake.features)
    torch.testing.assert_close(pull, torch.cat([1 - binary.sigmoid(), nothing], 1), rtol=1e-9, atol=1e-9)
    (pull,) = torch.autograd.grad(-6 * terms["class_fake"], fake.features)
    u = torch.nn.functional.one_hot(fake.labels, 4)
    torch.testing.assert_close(pull, torch.cat([nothing[:, :1], u - classes.softmax(1)], 1), rtol=1e-9, atol=1e-9)
    (pull,) = torch.autograd.grad(-6 * objective.discriminator_loss(fake, fake)["undecided"], fake.features)
    torch.testing.assert_close(pull, torch.cat([nothing[:, :1], 1 / 4 - classes.softmax(1)], 1), rtol=1e-9, atol=1e-9)


def test_generator_loss_is_a_cross_entropy_of_two_levels() -> None:
    """Eq. 19: the generator loss of AC-GAN* is H(v(y), [D_r C, D_f])."""
    objective, fake = make("acgan_star", 4), random_batch(4, 6, 0)
    heads = dict(objective.named_parameters())
    losses = []
    for x, y in zip(fake.features, fake.labels, strict=True):
        d_r = objective.score(x[None], y[None])[0].sigmoid()
        levels = torch.cat([d_r * reference.classify(x, heads), 1 - d_r[None]])
        assert levels.sum().item() == pytest.approx(1)
        losses.append(-torch.log(levels[y]))
    total = sum(objective.generator_loss(fake).values())
    torch.testing.assert_close(total, torch.stack(losses).mean(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["acgan", "acgan_star", "acgan_star_plus"])
def test_dynamic_label_is_the_most_likely_class_of_the_classifier(name: str) -> None:
    objective, fake = make(name, 4, labeling="dynamic"), random_batch(4, 6, 0)
    guess = objective.classifier(fake.features).argmax(1)
    assert (guess != fake.labels).any()
    predefined = make(name, 4)
    guessed = Batch(fake.images, guess, fake.features)
    assert_same(objective, objective.generator_loss(fake), objective.generator_loss(guessed), fake)
    assert torch.equal(objective.generator_loss(fake)["class_fake"], predefined.generator_loss(guessed)["class_fake"])


def test_labeling_decides_between_conditional_and_unconditional_generators() -> None:
    for name in ("gan", "gan_star"):
        assert SPECS[name].conditioning(parse(SPECS[name].config, {})) == "any"
    for name in ("acgan", "acgan_star", "acgan_star_plus"):
        assert SPECS[name].conditioning(parse(SPECS[name].config, {})) == "conditional"
        assert SPECS[name].conditioning(parse(SPECS[name].config, {"labeling": "dynamic"})) == "unconditional"
