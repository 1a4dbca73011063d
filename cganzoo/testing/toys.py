"""The smallest networks that a component can be tried with, and a generator, a trunk and a loss in training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cganzoo.networks import Discriminator, Generator
from cganzoo.objective import Objective
from cganzoo.train.optimizers import FACTOR, grouped
from cganzoo.train.steps import DiscriminatorStep, GeneratorStep, update

LATENT_DIM = 6
FEATURE_DIM = 5


class ToyGenerator(Generator):
    """Noise and, if ``conditional``, class to image through two linear layers; smooth and deterministic."""

    latent_dim = LATENT_DIM

    def __init__(self, num_classes: int, image_size: int = 8, channels: int = 1, *, conditional: bool = True) -> None:
        super().__init__()
        self.conditional = conditional
        self.shape = (channels, image_size, image_size)
        self.classes = nn.Embedding(num_classes, LATENT_DIM) if conditional else None
        self.hidden = nn.Linear(LATENT_DIM, 32)
        self.pixels = nn.Linear(32, channels * image_size**2)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Noise (N, LATENT_DIM) and labels (N,) to images (N, C, H, W) in [-1, 1]."""
        if self.classes is not None:
            z = z + self.classes(labels)
        return torch.tanh(self.pixels(torch.tanh(self.hidden(z)))).view(-1, *self.shape)


class ToyTrunk(Discriminator):
    """Image to features through two linear layers; smooth, deterministic, without batch statistics."""

    feature_dim = FEATURE_DIM

    def __init__(self, image_size: int = 8, channels: int = 1) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels * image_size**2, 32)
        self.features = nn.Linear(32, FEATURE_DIM)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to features (N, FEATURE_DIM)."""
        return torch.tanh(self.features(torch.tanh(self.hidden(images.flatten(1)))))


class GAN:
    """A generator, a trunk and a loss with their two training steps.

    The methods take real images (N, C, H, W), their labels (N,), noise (M, L) and the labels of the fakes (M,).
    """

    def __init__(
        self, generator: Generator, trunk: Discriminator, objective: Objective, *, autocast: bool = False
    ) -> None:
        self.generator, self.trunk, self.objective = generator, trunk, objective
        self.discriminator_step: nn.Module = DiscriminatorStep(generator, trunk, objective, autocast=autocast)
        self.generator_step: nn.Module = GeneratorStep(generator, trunk, objective, autocast=autocast)
        discriminator = [*trunk.parameters(), *objective.parameters()]
        self.discriminator_parameters = [parameter for parameter in discriminator if parameter.requires_grad]
        self.players = {"discriminator": self.discriminator_parameters, "generator": list(generator.parameters())}

    def groups(self, player: str, lr: float) -> list[dict[str, Any]]:
        """A player's parameters for its optimizer, with a learning rate that the loss may change for its heads."""
        if player == "generator":
            return [{"params": self.players[player], "lr": lr}]
        return [{**group, "lr": lr * group.get(FACTOR, 1.0)} for group in grouped(self.trunk, self.objective)]

    def discriminator_loss(self, *inputs: Tensor) -> Tensor:
        """The discriminator's loss, a scalar."""
        loss: Tensor = self.discriminator_step(*inputs)[0]
        return loss

    def generator_loss(self, *inputs: Tensor) -> Tensor:
        """The generator's loss, a scalar. The caller freezes :attr:`discriminator_parameters`."""
        loss: Tensor = self.generator_step(*self._of_generator_step(*inputs))[0]
        return loss

    def update(self, player: str, optimizer: Optimizer, *inputs: Tensor) -> None:
        """One update of one player, as in training."""
        if player == "discriminator":
            update(self.discriminator_step, optimizer, *inputs)
        else:
            inputs = self._of_generator_step(*inputs)
            update(self.generator_step, optimizer, *inputs, freeze=self.discriminator_parameters)

    def _of_generator_step(self, images: Tensor, labels: Tensor, z: Tensor, fake_labels: Tensor) -> tuple[Tensor, ...]:
        return z, fake_labels, *((images, labels) if self.objective.uses_real_in_generator_loss else ())
