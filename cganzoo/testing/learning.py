"""A training of a second: three patterns that any pair of losses should teach the toy networks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd import backward

from .losses.trial import Game, Trial
from .randomness import seeded
from .toys import LATENT_DIM

CLASSES, BATCH, STEPS, RATE = 3, 24, 250, 5e-3
NOISE = 0.1
"""Standard deviation of the noise on a pattern."""

GOOD = 0.5
"""A training that works brings the distance to the nearest pattern below this share of what it was."""


def patterns() -> Tensor:
    """A bar at the top, a bar at the left, a block in the middle; (3, 1, 8, 8)."""
    shapes = torch.full((CLASSES, 1, 8, 8), -0.8)
    shapes[0, :, :3] = shapes[1, :, :, :3] = shapes[2, :, 3:6, 3:6] = 0.8
    return shapes


@dataclass(frozen=True)
class Lesson:
    """What a training achieved.

    Attributes:
        before: distance of an untrained generator's samples to the nearest pattern, median.
        after: the same of the trained one.
    """

    before: float
    after: float


def learn(trial: Trial, seed: int) -> Lesson:
    """Train the toy networks."""
    with seeded(seed):
        game = trial.game(CLASSES)
        for network in (game.generator, game.trunk):
            for layer in network.children():
                assert isinstance(layer, (nn.Linear, nn.Embedding))
                layer.reset_parameters()
        before = _distance(game)
        _train(game)
        return Lesson(before, _distance(game))


def _train(game: Game) -> None:
    discriminator, generator = game.discriminator_parameters, list(game.generator.parameters())
    players = [
        (torch.optim.Adam(discriminator, RATE, betas=(0.5, 0.99)), game.discriminator_loss, True),
        (torch.optim.Adam(generator, RATE, betas=(0.5, 0.99)), game.generator_loss, False),
    ]
    labels, targets = torch.arange(BATCH) % CLASSES, patterns()
    for step in range(STEPS):
        game.objective.advance(step, STEPS)
        for optimizer, loss, discriminates in players:
            images = targets[labels] + NOISE * torch.randn(BATCH, 1, 8, 8)
            fake_labels = labels if game.objective.fake_labels == "paired" else torch.randint(CLASSES, (BATCH,))
            for parameter in discriminator:
                parameter.requires_grad_(discriminates)
            optimizer.zero_grad()
            backward(loss(images, labels, torch.randn(BATCH, LATENT_DIM), fake_labels))
            optimizer.step()


def _distance(game: Game) -> float:
    """Median distance of samples to the nearest pattern: a mean would count the few between two patterns most."""
    with torch.no_grad():
        images = game.generator(torch.randn(150, LATENT_DIM), torch.arange(150) % CLASSES)
    return torch.cdist(images.flatten(1), patterns().flatten(1)).amin(1).median().item()
