"""A loss in short trainings: with any loss, the toy networks should learn three patterns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from cganzoo.objective import Batch
from cganzoo.testing.randomness import seeded
from cganzoo.testing.toys import GAN, LATENT_DIM

from .base import LossChecks, Variant, buffers_restored, each_variant, score_of, total

CLASSES, BATCH, STEPS, RATE = 3, 24, 250, 5e-3
DISCRIMINATOR_STEPS = 30
"""Steps of a discriminator that is trained without its generator."""

TRAININGS = 3
"""Number of seeds of which at least one has to succeed."""

NOISE = 0.1
"""Standard deviation of the noise on a pattern."""

GOOD = 0.5
"""A successful training reduces the distance to the nearest pattern to less than this share."""


class LossLearning(LossChecks):
    """Learning."""

    @each_variant
    def test_real_images_are_right(self, variant: Variant) -> None:
        """After the discriminator was trained, real images of the right class have the lowest generator loss."""
        conditional = variant.spec.conditioning(variant.config) == "conditional"
        problem = ""
        for seed in range(TRAININGS):  # a few steps may end at an unusual place
            problem = _problem(judge(variant, seed), conditional)
            if not problem:
                return
        raise AssertionError(f"after the discriminator was trained, {problem}")

    def test_learns(self) -> None:
        """A tiny generator that is trained with the loss makes the patterns of the training images."""
        variant = next(self.each())
        distances = []
        for seed in range(TRAININGS):
            before, after = learn(variant, seed)
            if after < GOOD * before:
                return
            distances.append(f"from {before:.1f} to {after:.1f}")
        raise AssertionError(
            "a tiny generator does not learn three patterns: the distance of its samples to the nearest pattern went "
            f"{', '.join(distances)}, in {TRAININGS} trainings; check the sign of each term"
        )


@dataclass(frozen=True)
class Judgement:
    """What a trained discriminator thinks of real images and of those of an untrained generator.

    Attributes:
        real: generator loss of real images with their own labels.
        fake: generator loss of the generator's images.
        wrong: generator loss of real images under each labelling that is wrong for all of them.
        advantage: mean score of real images minus that of the generator's; ``None`` without a score.
    """

    real: float
    fake: float
    wrong: tuple[float, ...]
    advantage: float | None


def _problem(judgement: Judgement, conditional: bool) -> str:
    """What is wrong with the loss; empty if nothing is."""
    real, fake, advantage = judgement.real, judgement.fake, judgement.advantage
    if not real < fake:
        return (
            f"generator_loss is {real:.3g} for real images and {fake:.3g} for the generator's: it moves the generator "
            "away from real images; check the sign of each term of both losses"
        )
    if conditional and not real < min(judgement.wrong):
        wrong = " and ".join(f"{loss:.3g}" for loss in judgement.wrong)
        return (
            f"generator_loss is {real:.3g} for real images with their own labels, and {wrong} with wrong labels: the "
            "generator learns other classes than the requested ones; check the sign and the labels of each class term"
        )
    if advantage is not None and not advantage > 0:
        return (
            f"the score is {-advantage:.3g} higher for the generator's images than for real ones: a higher score must "
            "mean more real"
        )
    return ""


def judge(variant: Variant, seed: int) -> Judgement:
    """Train the discriminator without its generator, and compute the generator's loss."""
    with seeded(seed):
        gan = _untrained(variant)
        _train(gan, DISCRIMINATOR_STEPS, ("discriminator",))
        with torch.no_grad(), buffers_restored(gan.objective):
            return _judgement(gan)


def learn(variant: Variant, seed: int) -> tuple[float, float]:
    """Train the toy networks; the distance of samples to the nearest pattern before and after."""
    with seeded(seed):
        gan = _untrained(variant)
        before = _distance(gan)
        _train(gan, STEPS, ("discriminator", "generator"))
        return before, _distance(gan)


def patterns() -> Tensor:
    """A bar at the top, a bar at the left, a block in the middle; (3, 1, 8, 8)."""
    shapes = torch.full((CLASSES, 1, 8, 8), -0.8)
    shapes[0, :, :3] = shapes[1, :, :, :3] = shapes[2, :, 3:6, 3:6] = 0.8
    return shapes


def _judgement(gan: GAN) -> Judgement:
    objective, labels = gan.objective, torch.arange(BATCH) % CLASSES

    def batch(images: Tensor) -> Batch:
        return Batch(images, labels, gan.trunk(images))

    def loss(shown: Batch, shift: int = 0) -> float:
        shown = replace(shown, labels=(labels + shift) % CLASSES)
        return total(objective.generator_loss(shown, real if objective.uses_real_in_generator_loss else None)).item()

    real, more = batch(_real(labels)), batch(_real(labels))
    fake = batch(gan.generator(torch.randn(BATCH, LATENT_DIM), labels))
    scores = [score_of(objective, shown) for shown in (real, fake)]
    means = [score.mean().item() for score in scores if score is not None]
    return Judgement(
        real=loss(more),
        fake=loss(fake),
        wrong=tuple(loss(more, shift) for shift in range(1, CLASSES)),
        advantage=means[0] - means[1] if means else None,
    )


def _untrained(variant: Variant) -> GAN:
    gan = variant.gan(CLASSES)
    for network in (gan.generator, gan.trunk):
        for layer in network.children():
            assert isinstance(layer, (nn.Linear, nn.Embedding))
            layer.reset_parameters()
    return gan


def _real(labels: Tensor) -> Tensor:
    return patterns()[labels] + NOISE * torch.randn(len(labels), 1, 8, 8)


def _train(gan: GAN, steps: int, players: tuple[Literal["discriminator", "generator"], ...]) -> None:
    parameters = gan.discriminator_parameters, gan.generator_parameters
    optimizers = [torch.optim.Adam(moved, RATE, betas=(0.5, 0.99)) for moved in parameters]
    labels = torch.arange(BATCH) % CLASSES
    for step in range(steps):
        gan.objective.advance(step, steps)
        for player, optimizer in zip(players, optimizers, strict=False):
            images = _real(labels)
            fake_labels = labels if gan.objective.fake_labels == "paired" else torch.randint(CLASSES, (BATCH,))
            gan.update(player, optimizer, images, labels, torch.randn(BATCH, LATENT_DIM), fake_labels)


def _distance(gan: GAN) -> float:
    """Median distance of samples to the nearest pattern: a mean would depend most on the few between two patterns."""
    with torch.no_grad():
        images = gan.generator(torch.randn(150, LATENT_DIM), torch.arange(150) % CLASSES)
    return torch.cdist(images.flatten(1), patterns().flatten(1)).amin(1).median().item()
