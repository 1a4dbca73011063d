"""Networks and a loss for tests of the engine: without weights, with frozen ones, and one that keeps batches."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from cganzoo.networks import Discriminator, Generator
from cganzoo.objective import Batch, Objective, Terms
from cganzoo.specs import BuildContext


class Headless(Objective):
    """A loss on the features themselves."""

    def __init__(self, context: BuildContext) -> None:
        super().__init__()

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        return {"real": -real.features.mean(), "fake": fake.features.square().mean()}

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        return {"adversarial": -fake.features.mean()}


class Pixels(Discriminator):
    """The pixels are the features: a trunk without a weight."""

    def __init__(self, context: BuildContext) -> None:
        super().__init__()
        self.feature_dim = context.image_channels * context.image_size**2

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)


class Fixed(Generator):
    """A generator that nothing can train."""

    latent_dim, conditional = 3, False

    def __init__(self, context: BuildContext) -> None:
        super().__init__()
        self.layer = nn.Linear(3, context.image_channels * context.image_size**2).requires_grad_(False)
        self.shape = (context.image_channels, context.image_size, context.image_size)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.layer(z).tanh().unflatten(1, self.shape)


class HalfFrozen(Discriminator):
    """A projection that is not to be trained, and a layer that is."""

    feature_dim = 6

    def __init__(self, context: BuildContext) -> None:
        super().__init__()
        self.projection = nn.Linear(context.image_channels * context.image_size**2, 12).requires_grad_(False)
        self.layer = nn.Linear(12, 6)
        self.initial = self.projection.weight.clone()
        self.first_batches: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.layer(self.projection(images.flatten(1)))
        return features

    def initialize(self, images: Tensor) -> None:
        assert not torch.is_grad_enabled()
        self.first_batches.append(images.clone())


class Linear(Generator):
    """One linear layer; keeps the batches that it is initialised on."""

    latent_dim, conditional = 5, False

    def __init__(self, context: BuildContext) -> None:
        super().__init__()
        self.shape = (context.image_channels, context.image_size, context.image_size)
        self.linear = nn.Linear(5, math.prod(self.shape))
        self.first_batches: list[tuple[Tensor, Tensor]] = []

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        images: Tensor = self.linear(z)
        return images.tanh().view(-1, *self.shape)

    def initialize(self, z: Tensor, labels: Tensor) -> None:
        assert not torch.is_grad_enabled()
        self.first_batches.append((z, labels))
