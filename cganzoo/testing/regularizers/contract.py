"""The contract of a regularizer with the engine: each penalty trains its own player only, and the flags are true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import SkipTest

import torch
from torch import Tensor, nn
from torch.autograd import backward

from cganzoo.testing.conformance import explained
from cganzoo.testing.modules import check_all_close, unchanged
from cganzoo.testing.randomness import seeded, untouched
from cganzoo.testing.toy_losses import ToyLogistic, ToyPaired, ToyWithoutScore
from cganzoo.testing.toys import FEATURE_DIM
from cganzoo.testing.variants import each_variant
from cganzoo.train.freeze import frozen
from cganzoo.train.regularizers import Weighted
from cganzoo.train.steps import DiscriminatorStep, GeneratorStep, update

from . import base
from .base import GIVEN, PLAYERS, SEEDS, SIZE, TOLERANCE, Game, Penalty, RegularizerChecks, part

COPIES = 4
DRAWS = 40
"""Random draws over which a penalty is averaged before it is compared."""
ERRORS = 5
"""Standard errors by which two averages may differ."""
STEPS = 3


class Scored(ToyLogistic):
    """The loss of the steps here, which counts how often its score is used."""

    calls = 0

    def discriminator_loss(self, real: Any, fake: Any) -> dict[str, Tensor]:
        """A loss without the score."""
        return {"none": 0 * real.features.sum()}

    def generator_loss(self, fake: Any, real: Any = None) -> dict[str, Tensor]:
        """A loss without the score."""
        return {"none": 0 * fake.features.sum()}

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """See :class:`cganzoo.objective.Objective`."""
        self.calls += 1
        return super().score(features, labels)


class RegularizerContract(RegularizerChecks):
    """Gradients, flags, and training with any loss."""

    @each_variant
    def test_has_no_parameters(self, case: Penalty) -> None:
        """The regularizer has no parameters: nothing would train them."""
        names = [name for name, _ in case.regularizer.named_parameters()]
        assert not names, f"it has the parameter {', '.join(names)}; make it a buffer, or make the component a loss"

    @each_variant
    def test_discriminator_penalty_leaves_the_generator_alone(self, case: Penalty) -> None:
        """The discriminator's penalty does not change the generator, and changes no weight."""
        self._leaves_alone(case, "discriminator_penalty")

    @each_variant
    def test_generator_penalty_leaves_the_discriminator_alone(self, case: Penalty) -> None:
        """The generator's penalty does not change trunk and heads, and changes no weight."""
        self._leaves_alone(case, "generator_penalty")

    def _leaves_alone(self, case: Penalty, method: str) -> None:
        game = Game(case)
        others: dict[str, Any] = {"the generator's": game.generator}
        discriminator = {"the trunk's": game.trunk, "the loss's": game.objective}
        own = discriminator
        if method == "generator_penalty":
            own, others = others, own
        freeze = game.discriminator.values() if method == "generator_penalty" else ()
        with frozen(freeze), seeded(0), unchanged(method, others):
            with unchanged(method, own):
                value = base.total(game.step(method, game.inputs()))
            if value.requires_grad:
                backward(value)

    @each_variant
    def test_inputs_are_left_alone(self, case: Penalty) -> None:
        """The penalties do not change images, labels, features or latents in place."""
        game = Game(case)
        game.terms(game.inputs())
        changed = ", ".join(game.watched.changed_inputs)
        assert not changed, f"{changed} in place; compute a new tensor (no add_(), clamp_())"

    @each_variant
    def test_order_of_samples(self, case: Penalty) -> None:
        """Samples in another order give the same penalties."""
        if base.draws(case):
            raise SkipTest("it draws random numbers: see relational_is_true")
        game = Game(replace(case, dtype=torch.float64))
        inputs = game.inputs()
        order = torch.randperm(SIZE, generator=torch.Generator().manual_seed(1))
        problem = "depends on the order of the samples in their batch"
        check_all_close(game.values(part(inputs, order)), game.values(inputs), problem)

    # --- flags --------------------------------------------------------------------------------------------------------

    def test_relational_is_true(self) -> None:
        """Without ``relational``, a penalty is the mean over the halves of its batch; with it, it is not."""
        advice = "average over the batch, or set relational = True if it compares or collects samples"
        # Between averages over few random draws, a small difference is not seen: such a declaration is believed.
        self._flag("relational", _differs_from_the_mean, advice, base.draws)

    def test_uses_image_gradients_is_true(self) -> None:
        """``uses_image_gradients`` is declared if it is needed, and only if the penalties differentiate a network."""
        self._flag(GIVEN[0], lambda case: case.needed.get(GIVEN[0], ""), "", _differentiates)

    def test_uses_real_in_generator_loss_is_true(self) -> None:
        """The generator's penalty gets a real batch if and only if it is declared and needed."""
        self._flag(GIVEN[1], lambda case: case.needed.get(GIVEN[1], ""))

    def test_uses_score_is_true(self) -> None:
        """The loss's score is used if and only if ``uses_score`` is declared."""
        self._flag("uses_score", _uses_score)

    def test_stochastic_is_true(self) -> None:
        """Random numbers are drawn if and only if ``stochastic`` is declared, from torch's global generator only."""
        self._flag("stochastic", _draws, "", _may_draw)

    def _flag(
        self,
        flag: str,
        reason: Callable[[Penalty], str],
        advice: str = "",
        allowed: Callable[[Penalty], bool] | None = None,
    ) -> None:
        """Check a flag: where it is needed it is set, and where it is set it is needed for some options.

        Args:
            reason: what is wrong without the flag; empty if nothing is.
            advice: what to do if the flag is missing; default: to set it.
            allowed: whether the flag may be set although it is not needed.
        """
        declared, needed = [], []
        for case in self.each():
            is_set = getattr(case.regularizer, flag)
            assert isinstance(is_set, bool), f"{case.prefix}{flag} is {is_set!r}; it must be a bool"
            try:
                why = reason(case)
            except AssertionError as error:
                raise AssertionError(f"{case.prefix}{error}") from error
            assert is_set or not why, f"{case.prefix}without {flag}, {why}; {advice or f'set {flag} = True'}"
            declared.append(is_set)
            needed.append(bool(why) or (allowed is not None and allowed(case)))
        # Only one of several choices of options may need the declaration.
        true = any(needed) or not any(declared)
        assert true, f"{flag} = True, but the penalties do not need it; remove it"

    @each_variant
    def test_batch_is_averaged(self, case: Penalty) -> None:
        """A batch with four copies of each sample does not have four times the penalty."""
        if not case.regularizer.relational:
            raise SkipTest("a penalty is the mean over the halves of its batch: see relational_is_true")
        game = Game(replace(case, dtype=torch.float64))
        for method in PLAYERS:
            grows = []
            for seed in SEEDS:
                inputs = game.inputs(seed=seed)
                copies = part(inputs, torch.arange(SIZE).repeat(COPIES))
                one, many = (game.values(batch)[method].abs().item() for batch in (inputs, copies))
                grows.append(0 < (COPIES - 1) * one < many)
            problem = f"{COPIES} copies of each sample have {COPIES} times the penalty or more"
            assert not all(grows), f"{method}: {problem}; take the mean over the batch"

    # --- training -----------------------------------------------------------------------------------------------------

    @each_variant
    def test_trains_with_any_loss(self, case: Penalty) -> None:
        """Both players take steps with losses of several kinds, with ``every`` and ``weight``, and stay finite."""
        losses: list[type[Any]] = [ToyLogistic, ToyPaired]
        if not case.regularizer.uses_score:
            losses.append(ToyWithoutScore)
        for loss in losses:
            fresh = replace(case)
            game = Game(fresh)
            with seeded(0), explained(f"training with a loss like {loss.__name__}"):
                objective = loss(case.classes, FEATURE_DIM)
                weighted = Weighted(fresh.regularizer, case.spec.name, weight=0.1 * case.spec.weight, every=2)
                _train(game, objective, weighted, paired=objective.fake_labels == "paired")
            for name, weight in {**game.others(""), **game.discriminator}.items():
                assert weight.isfinite().all(), f"after {STEPS} steps with {loss.__name__}, {name} is not finite"


def _train(game: Game, objective: Any, weighted: Weighted, *, paired: bool) -> None:
    """A few steps of both players, with the regularizer at each second one; see ``Engine.advance``."""
    extras: dict[str, Any] = {"regularizers": [weighted], "augmentations": [game.augmentation]}
    networks = game.generator, game.trunk, objective
    discriminator = [*game.trunk.parameters(), *objective.parameters()]
    optimizers = [torch.optim.SGD(discriminator, 1e-2), torch.optim.SGD(game.generator.parameters(), 1e-2)]
    steps = DiscriminatorStep(*networks, **extras), GeneratorStep(*networks, **extras)
    for number in range(STEPS):
        weighted.advance(number, STEPS)
        images, labels, z, fake_labels = game.inputs(seed=number)
        fake_labels = labels if paired else fake_labels
        due = (weighted.is_due("discriminator", number),)
        update(steps[0], optimizers[0], images, labels, z, fake_labels, due)
        uses_real = objective.uses_real_in_generator_loss or weighted.regularizer.uses_real_in_generator_loss
        real = (images, labels) if uses_real else (None, None)
        due = (weighted.is_due("generator", number),)
        update(steps[1], optimizers[1], z, fake_labels, *real, due, freeze=discriminator)


def _differs_from_the_mean(case: Penalty) -> str:
    """How a penalty differs from its mean over two halves of a batch; empty if it does not."""
    game = Game(replace(case, dtype=torch.float64))
    whole = game.inputs(size=8)
    by_class = part(whole, whole[1].argsort(stable=True))
    draws = DRAWS if base.draws(case) else 1
    for halves, inputs in (("each with its own classes", by_class), ("each with all classes", whole)):
        parts = (inputs, part(inputs, slice(4)), part(inputs, slice(4, 8)))
        found = [_averages(game, one, draws) for one in parts]
        for method in found[0]:
            (mean, error), *of_halves = (one[method] for one in found)
            off = abs(mean - sum(one for one, _ in of_halves) / 2)
            noise = (error**2 + sum(one**2 for _, one in of_halves) / 4) ** 0.5
            if off > TOLERANCE * (1 + abs(mean)) + ERRORS * noise:
                return f"{method} of a batch is not the mean over its two halves, {halves} (off by {off:.3g})"
        if draws > 1:
            break  # many draws take time
    return ""


def _averages(game: Game, inputs: base.Inputs, draws: int) -> dict[str, tuple[float, float]]:
    """The mean of each penalty over random draws, and its standard error."""
    values = [game.values(inputs)]
    methods = [method for method in PLAYERS if draws == 1 or values[0][method] != 0]
    values += [game.values(inputs, seed, methods) for seed in range(1, draws)]
    found = {}
    for method in methods:
        of_draws = torch.stack([one[method].double() for one in values])
        error = (of_draws.std() / draws**0.5).item() if draws > 1 else 0.0
        found[method] = of_draws.mean().item(), error
    return found


def _uses_score(case: Penalty) -> str:
    game = Game(replace(case), objective=Scored)
    game.terms(game.inputs())
    calls: int = game.objective.calls  # type: ignore[assignment]
    return "a loss that defines no score is accepted, but the penalties use the score" if calls else ""


def _differentiates(case: Penalty) -> bool:
    """Whether it differentiates features or images, if only its own ones: a compiled step cannot do that."""
    game = Game(replace(case))
    found: list[nn.Module] = []

    def watch(network: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if output.requires_grad:
            output.register_hook(lambda gradient: found.append(network))  # type: ignore[no-untyped-call]

    for network in (game.generator, game.trunk):
        network.register_forward_hook(watch)
    game.terms(game.inputs())
    return bool(found)


def _draws(case: Penalty) -> str:
    game = Game(replace(case))
    with untouched("it", allowed="torch's"):
        game.terms(game.inputs())
    return "it draws random numbers of torch" if base.draws(case) else ""


def _may_draw(case: Penalty) -> bool:
    """Whether it uses the augmentations of the recipe, which draw random numbers for it."""
    game = Game(replace(case))
    game.terms(game.inputs())
    return game.watched.augments
