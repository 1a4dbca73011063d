"""Training with a loss: a few steps in one process and in two, and short trainings of the toy networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cganzoo.config import parse
from cganzoo.objective import Batch, Terms
from cganzoo.testing.hints import hint
from cganzoo.testing.processes import RANKS, component_in_a_process, in_two_processes
from cganzoo.testing.randomness import seeded
from cganzoo.testing.toys import GAN, LATENT_DIM
from cganzoo.testing.variants import describe

from . import base
from .base import CLASSES, Loss, LossChecks, gan_inputs

SHARED_STEPS, SHARED_BATCH, SHARED_RATE = 3, 8, 0.05
"""Of the training in two processes."""

BATCH, STEPS, RATE = 24, 250, 5e-3
DISCRIMINATOR_STEPS = 30
"""Steps of a discriminator that is trained without its generator."""
TRAININGS = 3
"""Number of seeds of which at least one has to succeed."""
NOISE = 0.1
"""Standard deviation of the noise on a pattern."""
GOOD = 0.5
"""A successful training reduces the distance to the nearest pattern to less than this share."""


class LossTraining(LossChecks):
    """Training."""

    def test_two_processes(self) -> None:
        """Two processes that share a batch (DDP) keep the same weights, which one process with all of it also gets."""
        losses = list(self.each())
        options = [loss.config.model_dump(mode="json", by_alias=True, exclude_unset=True) for loss in losses]
        ranks = in_two_processes(train_choices, self.component.provider.distribution, self.spec.name, options)
        for loss, one, two in zip(losses, *ranks, strict=True):
            for player, weights in one.items():
                problem = f"{loss.prefix}the two processes get different weights in the {player}"
                assert torch.equal(weights, two[player]), f"{problem}; the loss must not depend on the process"
                assert weights.isfinite().all(), f"{loss.prefix}weights of the {player} are not finite"
            # A relational loss makes only half of the comparisons; random numbers differ between processes.
            if loss.objective.relational or base.draws_random_numbers(loss):
                continue
            for player, weights in train(loss).items():
                problem = f"{loss.prefix}two processes train the {player} differently from one with the whole batch"
                advice = "average over the batch, or set relational = True"
                base.check_close(one[player], weights, f"{problem}; {advice}", 1e-10)

    @base.each_variant
    def test_real_images_are_right(self, loss: Loss) -> None:
        """After the discriminator was trained, real images of the right class have the lowest generator loss."""
        for seed in range(TRAININGS):  # a few steps may end at an unusual place
            problem = _problem(loss, seed)
            if not problem:
                return
        raise AssertionError(f"after the discriminator was trained, {problem}")

    def test_learns(self) -> None:
        """A tiny generator that is trained with the loss makes the patterns of the training images."""
        loss = next(self.each())
        distances = []
        for seed in range(TRAININGS):
            with seeded(seed):
                gan = _untrained(loss)
                before = _distance(gan)
                _train(gan, STEPS, ("discriminator", "generator"))
                after = _distance(gan)
            if after < GOOD * before:
                return
            distances.append(f"from {before:.1f} to {after:.1f}")
        problem = "a tiny generator does not learn three patterns: the distance of its samples to the nearest went"
        raise AssertionError(f"{problem} {', '.join(distances)}; check the sign of each term")


# --- in two processes -------------------------------------------------------------------------------------------------


def train_choices(rank: int, distribution: str, name: str, choices: list[dict[str, Any]]) -> list[dict[str, Tensor]]:
    """:func:`train` with each choice of options, in one of two processes."""
    spec: Any = component_in_a_process(distribution, "loss", name).spec
    weights = []
    for options in choices:
        try:
            weights.append(train(Loss(spec, parse(spec.config, options)), rank, RANKS))
        except Exception as error:
            what = describe(options) or "its defaults"
            raise AssertionError(f"with {what}: {error}{hint(error)}") from error
    return weights


def train(loss: Loss, rank: int = 0, processes: int = 1) -> dict[str, Tensor]:
    """Weights after a few steps in float64, in which this process has its part of each batch."""
    gan = loss.gan(dtype=torch.float64)
    modules = {"trunk": gan.trunk, "loss": gan.objective, "generator": gan.generator}
    optimizers = {player: torch.optim.SGD(gan.groups(player, SHARED_RATE)) for player in gan.players}
    if processes > 1:
        gan.discriminator_step = DistributedDataParallel(gan.discriminator_step)
        gan.generator_step = DistributedDataParallel(gan.generator_step)
    mine = slice(rank * SHARED_BATCH // processes, (rank + 1) * SHARED_BATCH // processes)
    for step in range(SHARED_STEPS):
        gan.objective.advance(step, SHARED_STEPS)
        inputs = [value[mine] for value in gan_inputs(gan, SHARED_BATCH, step)]
        for player, optimizer in optimizers.items():
            gan.update(player, optimizer, *inputs)
        for owner, module in modules.items():
            unused = [name for name, value in module.named_parameters() if value.requires_grad and value.grad is None]
            problem = f"no gradient for {', '.join(unused)} of the {owner}"
            assert not unused, f"{problem}: several processes would wait forever for it; use it, or remove it"
    return {
        owner: nn.utils.parameters_to_vector(module.parameters()).detach()
        for owner, module in modules.items()
        if list(module.parameters())
    }


# --- short trainings --------------------------------------------------------------------------------------------------


def _problem(loss: Loss, seed: int) -> str:
    """What is wrong with the losses after the discriminator was trained without its generator; empty if nothing is."""
    with seeded(seed):
        gan = _untrained(loss)
        _train(gan, DISCRIMINATOR_STEPS, ("discriminator",))
        with base.buffers_restored(gan.objective):
            return _judge(gan, conditional=loss.spec.conditioning(loss.config) == "conditional")


def _judge(gan: GAN, *, conditional: bool) -> str:
    objective, labels = gan.objective, torch.arange(BATCH) % CLASSES

    def batch(images: Tensor, latents: Tensor | None = None) -> Batch:
        images = images.detach().requires_grad_(objective.uses_image_gradients)
        return Batch(images, labels, gan.trunk(images), latents)

    def terms(shown: Batch) -> Terms:
        with seeded(0):
            return objective.generator_loss(shown, used, **given)

    def loss(shown: Batch, shift: int = 0) -> float:
        found = terms(replace(shown, labels=(labels + shift) % CLASSES))
        return base.total({name: term for name, term in found.items() if name in judged}).item()

    images, others, z = _real(labels), _real(labels), torch.randn(BATCH, LATENT_DIM)
    real, more, fake = batch(images), batch(others, z), batch(gan.generator(z, labels), z)
    used = real if objective.uses_real_in_generator_loss else None
    given = {"networks": gan.generator_step.networks} if objective.uses_networks else {}
    # Real images were not made from latents, so a term that depends on the latents does not judge them.
    ours, again, moved = terms(fake), terms(fake), terms(replace(fake, latents=z.roll(1, 0)))
    depend = {name for name, term in ours.items() if term.equal(again[name]) and not term.equal(moved[name])}
    judged = ours.keys() - depend or ours.keys()
    scores = [score for shown in (real, fake) if (score := base.score_of(objective, shown)) is not None]
    of_real, of_fake, *of_wrong = loss(more), loss(fake), *(loss(more, shift) for shift in range(1, CLASSES))
    if not of_real < of_fake:
        found = f"generator_loss is {of_real:.3g} for real images and {of_fake:.3g} for the generator's"
        return f"{found}: the generator leaves real images; check the sign of each term of both losses"
    if conditional and not of_real < min(of_wrong):
        wrong = " and ".join(f"{value:.3g}" for value in of_wrong)
        found = f"generator_loss is {of_real:.3g} for real images with their own labels, and {wrong} with wrong labels"
        return f"{found}: the generator learns wrong classes; check the sign and the labels of each class term"
    if scores:
        of_real, of_fake = (score.mean().item() for score in scores)
        if not of_real > of_fake:
            found = f"the score is {of_fake - of_real:.3g} higher for the generator's images than for real ones"
            return f"{found}: a higher score must mean more real"
        if not (scores[0].max() > 0 > scores[1].min()):
            found = f"the mean score is {of_real:.3g} for real images and {of_fake:.3g} for the generator's"
            return f"{found}: it must be positive for samples that are more likely real, and negative for others"
    return ""


def patterns() -> Tensor:
    """A bar at the top, a bar at the left, a block in the middle; (3, 1, 8, 8)."""
    shapes = torch.full((CLASSES, 1, 8, 8), -0.8)
    shapes[0, :, :3] = shapes[1, :, :, :3] = shapes[2, :, 3:6, 3:6] = 0.8
    return shapes


def _untrained(loss: Loss) -> GAN:
    gan = loss.gan()
    layers: Any = (*gan.generator.children(), *gan.trunk.children())
    for layer in layers:
        layer.reset_parameters()
    return gan


def _real(labels: Tensor) -> Tensor:
    return patterns()[labels] + NOISE * torch.randn(len(labels), 1, 8, 8)


def _train(gan: GAN, steps: int, players: tuple[str, ...]) -> None:
    optimizers = {player: torch.optim.Adam(gan.groups(player, RATE), betas=(0.5, 0.99)) for player in players}
    labels = torch.arange(BATCH) % CLASSES
    for step in range(steps):
        gan.objective.advance(step, steps)
        for player, optimizer in optimizers.items():
            images = _real(labels)
            fake_labels = labels if gan.objective.fake_labels == "paired" else torch.randint(CLASSES, (BATCH,))
            gan.update(player, optimizer, images, labels, torch.randn(BATCH, LATENT_DIM), fake_labels)


def _distance(gan: GAN) -> float:
    """Median distance of samples to the nearest pattern: a mean would depend most on the few between two patterns."""
    with torch.no_grad():
        images = gan.generator(torch.randn(150, LATENT_DIM), torch.arange(150) % CLASSES)
    return torch.cdist(images.flatten(1), patterns().flatten(1)).amin(1).median().item()
