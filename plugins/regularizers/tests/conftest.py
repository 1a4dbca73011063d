"""Tiny networks in float64, and a regularizer in a training step of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from cganzoo_regularizers import cganzoo_regularizers
from torch import Tensor, nn

from cganzoo import BuildContext
from cganzoo.augmentation import Augmentation
from cganzoo.config import parse
from cganzoo.networks import Discriminator
from cganzoo.objective import Batch, Networks, Objective, Terms
from cganzoo.regularizer import Regularizer
from cganzoo.testing.toys import FEATURE_DIM, LATENT_DIM, ToyGenerator, ToyTrunk
from cganzoo.train.regularizers import Weighted
from cganzoo.train.steps import DiscriminatorStep, GeneratorStep

CLASSES, COUNT, SIZE = 3, 6, 8
SPECS = {spec.name: spec for spec in cganzoo_regularizers()}


class Logistic(Objective):
    """A logistic loss of the score <e_y, phi(x)> + psi(phi(x)), or of a given function of the features."""

    def __init__(self, score: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.embedding, self.psi = nn.Embedding(CLASSES, FEATURE_DIM), nn.Linear(FEATURE_DIM, 1)
        self.given = score

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        if self.given is not None:
            return self.given(features)
        return (self.embedding(labels) * features).sum(1) + self.psi(features)[:, 0]

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        on_real, on_fake = self.score(real.features, real.labels), self.score(fake.features, fake.labels)
        return {"adversarial": nn.functional.softplus(-on_real).mean() + nn.functional.softplus(on_fake).mean()}

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        return {"adversarial": nn.functional.softplus(-self.score(fake.features, fake.labels)).mean()}


class Pixels(Discriminator):
    """The features are the pixels."""

    feature_dim = SIZE * SIZE

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)


class Centered(ToyTrunk):
    """Features minus their mean over the batch."""

    batch_statistics = True

    def forward(self, images: Tensor) -> Tensor:
        features = super().forward(images)
        return features - features.mean(0)


class Game:
    """A regularizer, a generator, a trunk, a loss and their two steps, with a real batch and fakes.

    Args:
        name: of the regularizer.
        score: a function of the pixels (N, D) that takes the place of trunk and heads.
        options: of the regularizer.
    """

    def __init__(
        self,
        name: str,
        *,
        score: Callable[[Tensor], Tensor] | None = None,
        trunk: Discriminator | None = None,
        objective: Objective | None = None,
        augmentations: Sequence[Augmentation] = (),
        autocast: bool = False,
        dtype: torch.dtype = torch.float64,
        count: int = COUNT,
        seed: int = 0,
        **options: Any,
    ) -> None:
        torch.manual_seed(seed)
        self.regularizer = build(name, **options).to(dtype)
        self.generator = ToyGenerator(CLASSES).to(dtype)
        self.trunk = (trunk or (ToyTrunk() if score is None else Pixels())).to(dtype)
        self.objective = (objective or Logistic(score)).to(dtype)
        players = self.generator, self.trunk, self.objective
        extras: dict[str, Any] = {
            "regularizers": [Weighted(self.regularizer, name)],
            "augmentations": augmentations,
            "autocast": autocast,
        }
        self.discriminator_step = DiscriminatorStep(*players, **extras)
        self.generator_step = GeneratorStep(*players, **extras)
        self.images = torch.rand(count, 1, SIZE, SIZE, dtype=dtype) * 2 - 1
        self.labels, self.fake_labels = torch.arange(count) % CLASSES, torch.arange(count).flip(0) % CLASSES
        self.z = torch.randn(count, LATENT_DIM, dtype=dtype)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Of the discriminator's step."""
        return self.images, self.labels, self.z, self.fake_labels

    def batches(self) -> tuple[Batch, Batch]:
        """The real batch and the fakes, as in the discriminator's step."""
        images = self.images.clone().requires_grad_()
        with torch.no_grad():
            fakes = self.generator(self.z, self.fake_labels)
        fakes.requires_grad_()
        return (
            Batch(images, self.labels, self.trunk(images)),
            Batch(fakes, self.fake_labels, self.trunk(fakes), self.z),
        )

    @property
    def networks(self) -> Networks:
        """Those of the discriminator's step."""
        return self.discriminator_step.networks

    def discriminator_terms(self, seed: int = 0) -> Terms:
        """The terms of the discriminator, with random numbers of a seed."""
        batches = self.batches()
        torch.manual_seed(seed)
        return self.regularizer.discriminator_penalty(*batches, self.networks)

    def generator_terms(self, seed: int = 0) -> Terms:
        """The terms of the generator, with random numbers of a seed."""
        images = self.generator(self.z, self.fake_labels)
        fake = Batch(images, self.fake_labels, self.trunk(images), self.z)
        torch.manual_seed(seed)
        return self.regularizer.generator_penalty(fake, self.generator_step.networks)

    def d(self, image: Tensor, label: Tensor) -> Tensor:
        """D(x, y): the score of one image."""
        return self.objective.score(self.trunk(image[None]), label[None])[0]

    def phi(self, image: Tensor, label: Tensor) -> Tensor:
        """The features (D,) of one image."""
        features: Tensor = self.trunk(image[None])[0]
        return features

    def g(self, latent: Tensor, label: Tensor) -> Tensor:
        """G(z, y): the image of one latent."""
        image: Tensor = self.generator(latent[None], label[None])[0]
        return image

    @property
    def parameters(self) -> dict[str, list[nn.Parameter]]:
        """Of each player."""
        return {
            "discriminator": [*self.trunk.parameters(), *self.objective.parameters()],
            "generator": list(self.generator.parameters()),
        }

    def assert_same(self, term: Tensor, expected: Tensor, player: str = "discriminator") -> None:
        """Two values are equal, and so are their gradients with respect to a player's parameters."""
        torch.testing.assert_close(term, expected, rtol=1e-9, atol=1e-9)
        gradients = [self.gradient(value, player) for value in (term, expected)]
        torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-9)
        assert gradients[0].any()

    def gradient(self, value: Tensor, player: str = "discriminator") -> Tensor:
        """The gradient with respect to all parameters of a player, as one vector."""
        parameters = self.parameters[player]
        found = torch.autograd.grad(value, parameters, allow_unused=True, retain_graph=True)
        pairs = zip(parameters, found, strict=True)
        return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for p, g in pairs])


def build(name: str, **options: Any) -> Regularizer:
    """A regularizer with options, as a recipe would give them."""
    spec = SPECS[name]
    context = BuildContext(num_classes=CLASSES, image_size=SIZE, image_channels=1, feature_dim=FEATURE_DIM)
    built: Regularizer = spec.build(parse(spec.config, options), context)
    return built


@pytest.fixture
def game() -> type[Game]:
    """Makes a regularizer with networks: ``game("r1")``."""
    return Game


@pytest.fixture
def made() -> Callable[..., Regularizer]:
    """Makes a regularizer: ``made("cr", flip=False)``."""
    return build


@pytest.fixture
def centered() -> type[Discriminator]:
    """A trunk with batch statistics."""
    return Centered
