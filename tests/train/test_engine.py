"""The training step as a whole: who moves when, on which batches, at which rates, and what a checkpoint must hold."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from engines import CPU, noise_images, started, with_own
from own_networks import Fixed, HalfFrozen, Headless, Linear, Pixels
from torch import Tensor, nn

from cganzoo.config import Schedule
from cganzoo.data.batches import Batches
from cganzoo.errors import DivergenceError, RecipeError, RunError
from cganzoo.objective import Batch, Objective, Terms
from cganzoo.recipe.resolve import Resolved
from cganzoo.specs import BuildContext

BATCH = 8  # the tiny recipe's
Resolve = Callable[..., Resolved]
Snapshot = dict[str, list[Tensor]]


def same(one: Any, other: Any) -> bool:
    """Whether two states are equal to the bit."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


def real_batches(count: int) -> list[tuple[Tensor, Tensor]]:
    """The first batches that a run of seed 0 sees."""
    batches = Batches(noise_images(), BATCH, 0, CPU)
    return [batches.next() for _ in range(count)]


class Critic(Objective):
    """One linear score; keeps what it is shown."""

    def __init__(self, context: BuildContext) -> None:
        super().__init__()
        self.head = nn.Linear(context.features, 1)
        self.shown: list[tuple[str, Batch | None, Batch]] = []

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        self.shown.append(("discriminator", real, fake))
        return {"real": -self.head(real.features).mean(), "fake": self.head(fake.features).square().mean()}

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        self.shown.append(("generator", real, fake))
        return {"adversarial": -self.head(fake.features).mean()}


# --- who moves, and on which batches --------------------------------------------------------------------------------


def test_each_half_of_a_step_moves_one_player_and_leaves_the_other_to_the_bit(resolved: Resolve) -> None:
    engine = started(resolved("train.discriminator_steps=2"))
    players = {
        "generator": list(engine.generator.parameters()),
        "discriminator": [*engine.trunk.parameters(), *engine.objective.parameters()],
    }

    def weights() -> Snapshot:
        return {player: [weight.detach().clone() for weight in own] for player, own in players.items()}

    def gradients() -> Snapshot:
        nothing = torch.empty(0)
        return {
            player: [nothing if weight.grad is None else weight.grad.clone() for weight in own]
            for player, own in players.items()
        }

    moments: list[tuple[str, Snapshot, Snapshot]] = [("start", weights(), gradients())]
    for name, optimizer in engine.optimizers.items():
        optimizer.register_step_post_hook(lambda *_, name=name: moments.append((name, weights(), gradients())))
    for _ in range(3):
        engine.advance()
    moments.append(("end", weights(), gradients()))

    assert [name for name, *_ in moments] == ["start", *["discriminator", "discriminator", "generator"] * 3, "end"]
    for (_, *before), (moved, *after) in pairwise(moments):
        for player in players:
            same_weights, same_gradients = (
                all(map(torch.equal, earlier[player], later[player]))
                for earlier, later in zip(before, after, strict=True)
            )
            assert same_weights == (player != moved)
            assert same_gradients == (player != moved), "the other player's half is not paid for"


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("uses_real", [False, True])
def test_each_loss_gets_the_real_batches_and_the_fake_labels_that_it_asks_for(
    resolved: Resolve, paired: bool, uses_real: bool
) -> None:
    flags = {"fake_labels": "paired" if paired else "sampled", "uses_real_in_generator_loss": uses_real}
    engine = started(with_own(resolved("train.discriminator_steps=3"), loss=type("Asking", (Critic,), flags)))
    for _ in range(2):
        engine.advance()

    assert isinstance(engine.objective, Critic)
    step = ["discriminator", "discriminator", "discriminator", "generator"]
    assert [half for half, *_ in engine.objective.shown] == step * 2
    drawn = iter(real_batches(8))
    for half, real, fake in engine.objective.shown:
        images, labels = next(drawn) if half == "discriminator" or paired or uses_real else (None, None)
        assert (real is None) == (half == "generator" and not uses_real)
        if real is not None:
            assert same([real.images, real.labels], [images, labels])
        assert same(fake.labels, labels) == paired
        assert fake.images.shape == (BATCH, 1, 8, 8)
    assert engine.batches.position == (8 if paired or uses_real else 6)


def test_sampled_labels_are_of_every_class_alike(resolved: Resolve) -> None:
    engine = started(with_own(resolved(), generator=Linear, discriminator=HalfFrozen, loss=Critic))
    for _ in range(50):
        engine.advance()
    assert isinstance(engine.objective, Critic)
    for wanted in ("discriminator", "generator"):
        labels = torch.cat([fake.labels for half, _, fake in engine.objective.shown if half == wanted])
        counts = torch.bincount(labels, minlength=4)
        assert len(counts) == 4
        assert (counts - 100).abs().max() < 40  # 4.6 standard deviations of 400 draws


def test_what_a_trunk_froze_stays_frozen(resolved: Resolve) -> None:
    engine = started(with_own(resolved(), discriminator=HalfFrozen))
    trunk = engine.trunk
    assert isinstance(trunk, HalfFrozen)
    trained = trunk.layer.weight.clone()
    for _ in range(3):
        engine.advance()
    assert [weight.requires_grad for weight in trunk.parameters()] == [False, False, True, True]
    assert torch.equal(trunk.projection.weight, trunk.initial)
    assert trunk.projection.weight.grad is None
    assert not torch.equal(trunk.layer.weight, trained)


def test_initialisation_is_done_once_on_the_batch_that_the_first_step_sees(resolved: Resolve) -> None:
    engine = started(with_own(resolved(), generator=Linear, discriminator=HalfFrozen, loss=Critic))
    assert engine.batches.position == 0
    for _ in range(2):
        engine.advance()
    trunk, generator, objective = engine.trunk, engine.generator, engine.objective
    assert isinstance(trunk, HalfFrozen)
    assert isinstance(generator, Linear)
    assert isinstance(objective, Critic)
    (images,) = trunk.first_batches
    assert torch.equal(images, real_batches(1)[0][0])
    _, first_real, _ = objective.shown[0]
    assert first_real is not None
    assert torch.equal(images, first_real.images)
    ((z, labels),) = generator.first_batches
    assert (z.shape, labels.shape) == ((BATCH, 5), (BATCH,))


# --- schedules ------------------------------------------------------------------------------------------------------


def test_rates_follow_their_schedules_step_by_step(resolved: Resolve) -> None:
    engine = started(resolved("train.discriminator_steps=2"))
    rates: dict[str, list[float]] = {"generator": [], "discriminator": []}
    for name, optimizer in engine.optimizers.items():
        optimizer.register_step_post_hook(
            lambda optimizer, *_, name=name: rates[name].extend(group["lr"] for group in optimizer.param_groups)
        )
    for _ in range(20):
        engine.advance()
    cosine = [8e-4 * (1 + math.cos(math.pi * step / 20)) / 2 for step in range(20)]
    assert rates["generator"] == [4e-4] * 20
    assert rates["discriminator"] == pytest.approx([rate for rate in cosine for _ in range(2)])


def test_a_losss_scheduled_number_is_right_at_each_step(resolved: Resolve) -> None:
    class Waning(Critic):
        weight: Tensor
        margin: float

        def __init__(self, context: BuildContext) -> None:
            super().__init__(context)
            self.hold(weight=Schedule(start=2.0, to=0.0), margin=3.0)
            self.used: list[tuple[str, float, float]] = []

        def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
            self.used.append(("discriminator", float(self.weight), self.margin))
            return super().discriminator_loss(real, fake)

        def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
            self.used.append(("generator", float(self.weight), self.margin))
            return super().generator_loss(fake, real)

    engine = started(with_own(resolved(), generator=Linear, discriminator=HalfFrozen, loss=Waning))
    for _ in range(20):
        engine.advance()
    assert isinstance(engine.objective, Waning)
    halves, weights, margins = zip(*engine.objective.used, strict=True)
    assert halves == ("discriminator", "generator") * 20
    assert weights == pytest.approx([2 - step / 10 for step in range(20) for _ in range(2)])
    assert margins == (3.0,) * 40


# --- what a checkpoint holds ----------------------------------------------------------------------------------------


def test_a_fresh_engine_goes_on_from_a_state_to_the_same_bits(resolved: Resolve) -> None:
    recipe = resolved("train.discriminator_steps=2", "train.ema_decay=0.5")
    stopped = started(recipe)
    for _ in range(3):
        stopped.advance()
    file = io.BytesIO()
    torch.save(stopped.state(), file)
    for _ in range(3):
        stopped.advance()
    reached = stopped.state()

    fresh = started(recipe)
    torch.rand(7)  # randomness is elsewhere by now
    assert not same(fresh.state(), reached)
    file.seek(0)
    fresh.load_state(torch.load(file, weights_only=True))
    assert fresh.step == 3
    for _ in range(3):
        fresh.advance()
    now = fresh.state()
    for part in reached:
        assert same(now[part], reached[part]), part
    assert now.keys() == reached.keys()
    assert len(fresh.terms["discriminator/real"]) == 12, "terms since the last log, those before the stop included"


def test_the_state_of_another_recipe_is_refused(resolved: Resolve) -> None:
    state = started(resolved()).state()
    started(resolved()).load_state(state)
    with pytest.raises(RunError, match="from another run"):
        started(resolved("train.batch_size=4")).load_state(state)


# --- values that are not finite -------------------------------------------------------------------------------------


def test_terms_are_averaged_since_the_last_log(resolved: Resolve) -> None:
    engine = started(resolved())
    engine.terms = {"generator/activation": [torch.tensor(1.0), torch.tensor(4.0)], "d/x": [torch.tensor(-2.0)]}
    assert engine.mean_terms() == {"generator/activation": 2.5, "d/x": -2.0}
    engine.check_finite()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_term_that_is_not_finite_is_a_divergence(resolved: Resolve, value: float) -> None:
    engine = started(resolved())
    engine.advance()
    engine.terms["generator/activation"].append(torch.tensor(value))
    for look in (engine.mean_terms, engine.check_finite):
        with pytest.raises(
            DivergenceError, match=r"^training diverged: loss term generator/activation is .+ since step 1;"
        ):
            look()


@pytest.mark.parametrize("player", ["generator", "trunk", "objective", "average"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_weight_that_is_not_finite_is_a_divergence(resolved: Resolve, player: str, value: float) -> None:
    engine = started(resolved())
    engine.check_finite()
    weight = list(engine.modules()[player].parameters())[-1]
    with torch.no_grad():
        weight.view(-1)[-1] = value
    with pytest.raises(DivergenceError, match=f"^training diverged: a weight of the {player} is not finite by step 0"):
        engine.check_finite()


@pytest.mark.parametrize("own", [{"discriminator": Pixels}, {"loss": Headless}])
def test_players_without_weights_are_finite(resolved: Resolve, own: dict[str, Any]) -> None:
    engine = started(with_own(resolved(), **own))
    engine.advance()
    engine.check_finite()
    assert engine.step == 1


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"discriminator": Pixels, "loss": Headless}, 'neither discriminator.name = "own" nor loss.name = "own" has'),
        ({"generator": Fixed}, 'generator.name = "own" has no parameters that are trained'),
    ],
)
def test_a_player_without_any_weight_is_refused(resolved: Resolve, own: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        started(with_own(resolved(), **own))
