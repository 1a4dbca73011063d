"""Each loss moves its own player, and leaves the other one alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.autograd import backward

from cganzoo.objective import Batch

from .checks import SEEDS, LossChecks, calls, each_variant
from .trial import Trial, gradients, kept, losses, total, trainable


class LossPlayers(LossChecks):
    """Who learns from what."""

    @each_variant
    def test_discriminator_loss_reaches_every_head(self, trial: Trial) -> None:
        """The discriminator's loss has a gradient in every parameter of the loss that is not fixed."""
        objective = trial.objective()
        heads = {name: head for name, head in objective.named_parameters() if head.requires_grad}
        moved = dict.fromkeys(heads, 0.0)
        for seed in SEEDS:
            loss = total(objective.discriminator_loss(*trial.batches(objective, seed=seed)))
            used = heads and loss.requires_grad
            found = torch.autograd.grad(loss, list(heads.values()), allow_unused=True) if used else [None] * len(heads)
            for name, gradient in zip(heads, found, strict=True):
                assert gradient is not None, (
                    f"discriminator_loss does not use {name}: nothing trains it, and several processes would wait for "
                    "it; use it, take it out, or make it a buffer"
                )
                assert gradient.isfinite().all(), f"discriminator_loss has a gradient in {name} that is not finite"
                moved[name] += gradient.abs().sum().item()
        # A bias may rightly cancel: real minus fake score does not depend on it.
        idle = [name for name, amount in moved.items() if amount == 0 and heads[name].ndim > 1]
        assert not idle, (
            f"discriminator_loss has a gradient in {', '.join(idle)} that is always zero: nothing trains it"
        )

    @each_variant
    def test_discriminator_loss_reaches_the_trunk(self, trial: Trial) -> None:
        """The discriminator's loss has a gradient in the features of real and of fake samples."""
        objective = trial.objective()
        moved = {"real": 0.0, "fake": 0.0}
        for seed in SEEDS:
            real, fake = trial.batches(objective, seed=seed)
            loss = total(objective.discriminator_loss(real, fake))
            for side, gradient in zip(moved, gradients(loss, [real.features, fake.features]), strict=True):
                moved[side] += gradient.abs().sum().item()
        for side, amount in moved.items():
            assert amount > 0, (
                f"discriminator_loss has no gradient in {side}.features: the trunk learns nothing from {side} samples; "
                "a loss needs no detach(), the engine keeps the players apart"
            )

    @each_variant
    def test_generator_loss_reaches_the_generator(self, trial: Trial) -> None:
        """The generator's loss has a gradient in every parameter of the generator."""
        game = trial.game()
        parameters = dict(game.generator.named_parameters())
        moved = dict.fromkeys(parameters, 0.0)
        for seed in SEEDS:
            with game.discriminator_frozen():
                loss = game.generator_loss(*game.inputs(seed=seed))
            for name, gradient in zip(parameters, gradients(loss, list(parameters.values())), strict=True):
                assert gradient.isfinite().all(), f"generator_loss has a gradient in {name} that is not finite"
                moved[name] += gradient.abs().sum().item()
        idle = [name for name, amount in moved.items() if amount == 0]
        assert not idle, (
            f"generator_loss has no gradient in the generator's {', '.join(idle)}: nothing trains it; take care not to "
            "detach fake.features"
        )

    @each_variant
    def test_generator_loss_leaves_the_discriminator_alone(self, trial: Trial) -> None:
        """The generator's loss leaves trunk and heads as they are: no gradient, no new value, still frozen."""
        game = trial.game()
        parameters = {
            **{f"the trunk's {name}": parameter for name, parameter in game.trunk.named_parameters()},
            **{f"the loss's {name}": parameter for name, parameter in game.objective.named_parameters()},
        }
        with game.discriminator_frozen(), _left_alone("generator_loss", parameters):
            loss = game.generator_loss(*game.inputs())
            if loss.requires_grad:
                backward(loss)

    @each_variant
    def test_discriminator_loss_changes_no_weight(self, trial: Trial) -> None:
        """The discriminator's loss leaves the generator alone, and every weight to the optimizer."""
        game = trial.game()
        generator = {f"the generator's {name}": parameter for name, parameter in game.generator.named_parameters()}
        own = {
            **{f"the trunk's {name}": parameter for name, parameter in game.trunk.named_parameters()},
            **{f"the loss's {name}": parameter for name, parameter in game.objective.named_parameters()},
        }
        with _left_alone("discriminator_loss", generator):
            with _left_alone("discriminator_loss", own):
                loss = game.discriminator_loss(*game.inputs())
            backward(loss)

    @each_variant
    def test_every_term_teaches(self, trial: Trial) -> None:
        """Each term depends on features, heads or, for the generator, images; or it is zero."""
        objective = trial.objective()
        idle: dict[tuple[str, str], bool] = {}
        zero: dict[tuple[str, str], bool] = {}
        for seed in SEEDS:
            real, fake = trial.batches(objective, seed=seed)
            images = fake.images.requires_grad_() * 1  # the generator's loss may be of what it made alone
            fake = Batch(images, fake.labels, fake.features)
            leaves = {
                "discriminator_loss": [real.features, fake.features, *trainable(objective)],
                "generator_loss": [fake.features, images],
            }
            with kept(objective):
                for method, terms in losses(objective, real, fake).items():
                    for name, term in terms.items():
                        key = method, name
                        idle[key] = idle.get(key, True) and not _depends(term, leaves[method])
                        zero[key] = zero.get(key, True) and not term.any()
        for method, name in idle:
            assert zero[method, name] or not idle[method, name], (
                f"{method}, {name}: the term has no gradient, so it teaches nobody, and yet it is added to the loss; "
                "leave out what is only to be watched"
            )

    @each_variant
    def test_inputs_are_left_alone(self, trial: Trial) -> None:
        """Neither loss, nor the score, changes images, labels or features in place."""
        objective = trial.objective()
        real, fake = trial.batches(objective)
        given = {
            f"{side}.{part}": getattr(batch, part)
            for side, batch in (("real", real), ("fake", fake))
            for part in ("images", "labels", "features")
        }
        before = {name: value.detach().clone() for name, value in given.items()}
        for method, call in calls(objective, real, fake).items():
            call()
            for name, value in given.items():
                assert torch.equal(value, before[name]), (
                    f"{method} changes {name} in place; compute a new tensor (no relu_(), mul_(), x[...] = ...)"
                )


def _depends(term: Tensor, leaves: Sequence[Tensor]) -> bool:
    """Whether a term has a gradient, be it zero, in one of ``leaves``."""
    if not term.requires_grad:
        return False
    found = torch.autograd.grad(term.sum(), leaves, retain_graph=True, allow_unused=True)
    return any(gradient is not None for gradient in found)


@contextmanager
def _left_alone(method: str, parameters: Mapping[str, Tensor]) -> Iterator[None]:
    """Make sure that parameters get neither gradients nor new values meanwhile, and are as frozen as they were."""
    before = {
        name: (parameter.detach().clone(), parameter._version, parameter.requires_grad)
        for name, parameter in parameters.items()
    }
    yield
    for name, parameter in parameters.items():
        value, version, requires_grad = before[name]
        assert parameter.grad is None, f"{method} leaves a gradient in {name}; it must not call backward()"
        assert torch.equal(parameter, value), f"{method} changes the value of {name}"
        # Clipping, say, leaves small weights as they are, but they are small in a test alone.
        assert parameter._version == version, f"{method} writes to {name} in place; a loss leaves it to the optimizer"
        assert parameter.requires_grad == requires_grad, (
            f"{method} changes requires_grad of {name}: the engine freezes and unfreezes, a loss leaves it alone"
        )
