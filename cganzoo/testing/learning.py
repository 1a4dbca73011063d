"""Trainings of a second: three patterns that any pair of losses should teach the toy networks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd import backward

from cganzoo.objective import Batch

from .losses.trial import Game, Trial, kept, total
from .randomness import seeded
from .toys import LATENT_DIM

CLASSES, BATCH, STEPS, RATE = 3, 24, 250, 5e-3
LOOKS = 30
"""Steps of a discriminator that learns alone."""

NOISE = 0.1
"""Standard deviation of the noise on a pattern."""

GOOD = 0.5
"""A training that works brings the distance to the nearest pattern below this share of what it was."""

_Player = tuple[torch.optim.Optimizer, Callable[..., Tensor], Callable[[], AbstractContextManager[None]]]


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
        game = _untrained(trial)
        before = _distance(game)
        _train(game, STEPS)
        return Lesson(before, _distance(game))


@dataclass(frozen=True)
class Opinion:
    """What a loss says after its discriminator has learnt to tell the patterns from an untrained generator's images.

    Attributes:
        real: what real images of the right class cost the generator.
        fake: what its own cost.
        wrong: what real images cost under each labelling that is wrong for all of them.
        advantage: how much more real the real images look than the generator's, in the mean; ``None`` without a score.
    """

    real: float
    fake: float
    wrong: tuple[float, ...]
    advantage: float | None


def look(trial: Trial, seed: int) -> Opinion:
    """Train the discriminator alone, and ask the loss for its opinion."""
    with seeded(seed):
        game = _untrained(trial)
        _train(game, LOOKS, generator=False)
        with torch.no_grad(), kept(game.objective):
            return _opinion(game)


def _opinion(game: Game) -> Opinion:
    objective, labels = game.objective, torch.arange(BATCH) % CLASSES

    def batch(images: Tensor) -> Batch:
        return Batch(images, labels, game.trunk(images))

    def cost(shown: Batch, claimed: Tensor) -> float:
        shown = Batch(shown.images, claimed, shown.features)
        return total(objective.generator_loss(shown, real if objective.uses_real_in_generator_loss else None)).item()

    real, more = batch(_real(labels)), batch(_real(labels))
    fake = batch(game.generator(torch.randn(BATCH, LATENT_DIM), labels))
    try:
        scores = [objective.score(shown.features, labels).mean().item() for shown in (real, fake)]
    except NotImplementedError:
        scores = []
    return Opinion(
        real=cost(more, labels),
        fake=cost(fake, labels),
        wrong=tuple(cost(more, (labels + shift) % CLASSES) for shift in range(1, CLASSES)),
        advantage=scores[0] - scores[1] if scores else None,
    )


def _untrained(trial: Trial) -> Game:
    game = trial.game(CLASSES)
    for network in (game.generator, game.trunk):
        for layer in network.children():
            assert isinstance(layer, (nn.Linear, nn.Embedding))
            layer.reset_parameters()
    return game


def _real(labels: Tensor) -> Tensor:
    return patterns()[labels] + NOISE * torch.randn(len(labels), 1, 8, 8)


def _train(game: Game, steps: int, *, generator: bool = True) -> None:
    """Train both players, or the discriminator alone."""
    moved = game.discriminator_parameters, list(game.generator.parameters())
    optimizers = [torch.optim.Adam(parameters, RATE, betas=(0.5, 0.99)) for parameters in moved]
    players: list[_Player] = [
        (optimizers[0], game.discriminator_loss, contextlib.nullcontext),
        (optimizers[1], game.generator_loss, game.discriminator_frozen),
    ]
    labels = torch.arange(BATCH) % CLASSES
    for step in range(steps):
        game.objective.advance(step, steps)
        for optimizer, loss, surroundings in players if generator else players[:1]:
            images = _real(labels)
            fake_labels = labels if game.objective.fake_labels == "paired" else torch.randint(CLASSES, (BATCH,))
            optimizer.zero_grad()
            with surroundings():
                backward(loss(images, labels, torch.randn(BATCH, LATENT_DIM), fake_labels))
            optimizer.step()


def _distance(game: Game) -> float:
    """Median distance of samples to the nearest pattern: a mean would count the few between two patterns most."""
    with torch.no_grad():
        images = game.generator(torch.randn(150, LATENT_DIM), torch.arange(150) % CLASSES)
    return torch.cdist(images.flatten(1), patterns().flatten(1)).amin(1).median().item()
