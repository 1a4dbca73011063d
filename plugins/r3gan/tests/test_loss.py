"""Tests of R3GAN in addition to the conformance checks."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from cganzoo_r3gan.config import R3GANConfig
from cganzoo_r3gan.loss import R3GAN

from cganzoo import BuildContext
from cganzoo.objective import Batch
from cganzoo.testing import random_batch


def make(classes: int = 3, features: int = 5) -> R3GAN:
    torch.manual_seed(0)
    return R3GAN(R3GANConfig(), BuildContext(num_classes=classes, image_size=8, feature_dim=features)).double()


def pair() -> tuple[Batch, Batch]:
    real, fake = random_batch(3, 6, 0), random_batch(3, 6, 1)
    return real, replace(fake, labels=real.labels)


def test_players_exchange_real_and_fake() -> None:
    """L_G(fake, real) = L_D(real = fake, fake = real): both minimise one function with the roles exchanged."""
    objective, (real, fake) = make(), pair()
    of_generator = objective.generator_loss(fake, real)["relativistic"]
    assert torch.equal(of_generator, objective.discriminator_loss(fake, real)["relativistic"])


def test_equal_scores_are_log_two() -> None:
    objective, (real, _) = make(), pair()
    assert objective.discriminator_loss(real, real)["relativistic"].item() == pytest.approx(math.log(2))


def test_a_constant_added_to_all_scores_changes_nothing() -> None:
    """Only differences of scores count: equal moves of the features of one class move its scores equally."""
    objective, (real, fake) = make(classes=1), pair()
    real, fake = (replace(batch, labels=torch.zeros_like(batch.labels)) for batch in (real, fake))
    moved = [replace(batch, features=batch.features + torch.arange(5.0)) for batch in (real, fake)]
    one, two = objective.discriminator_loss(real, fake), objective.discriminator_loss(*moved)
    assert one["relativistic"].item() == pytest.approx(two["relativistic"].item(), abs=1e-12)


def test_each_fake_is_compared_with_its_own_real_image() -> None:
    objective, (real, fake) = make(), pair()
    order = torch.tensor([3, 4, 5, 0, 1, 2])  # other partners
    other = Batch(fake.images[order], fake.labels[order], fake.features[order])
    one, two = objective.discriminator_loss(real, fake), objective.discriminator_loss(real, other)
    assert not torch.allclose(one["relativistic"], two["relativistic"])


def test_gradient_of_the_scores_is_a_sigmoid_of_their_difference() -> None:
    """dL_D / dD(x_i) = -sigmoid(D(G(z_i)) - D(x_i)) / N, and the opposite for the fake."""
    objective, (real, fake) = make(), pair()
    of_real, of_fake = (objective.score(batch.features, batch.labels).detach() for batch in (real, fake))
    expected = -torch.sigmoid(of_fake - of_real)[:, None] * objective.embedding(real.labels).detach() / 6
    loss = objective.discriminator_loss(real, fake)["relativistic"]
    found = torch.autograd.grad(loss, (real.features, fake.features))
    torch.testing.assert_close(found, (expected, -expected), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("features", [16, 1024])
def test_scores_begin_as_large_as_the_features(features: int) -> None:
    objective = make(classes=200, features=features)
    batch = torch.randn(500, features).double()
    assert objective.score(batch, torch.arange(500) % 200).std().item() == pytest.approx(1, abs=0.15)
