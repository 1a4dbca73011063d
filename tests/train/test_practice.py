"""Training practice: accumulation, classes of the samples, half-life of the average, schedules of the optimizers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from engines import started, with_extras
from own_extras import Score
from own_networks import HalfFrozen, Linear
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.config import Schedule, parse, value_at
from cganzoo.recipe.resolve import Resolved
from cganzoo.registry import Component, load_plugins
from cganzoo.testing.conformance import choices
from cganzoo.testing.toys import FEATURE_DIM, LATENT_DIM, ToyGenerator, ToyTrunk
from cganzoo.train.average import decay_at
from cganzoo.train.labels import FakeLabels
from cganzoo.train.steps import DiscriminatorStep, GeneratorStep, update

Resolve = Callable[..., Resolved]
SMALL: dict[str, Any] = {"generator": Linear, "discriminator": HalfFrozen, "loss": Score}


# --- accumulation -----------------------------------------------------------------------------------------------------

LOSSES = [(loss, options) for loss in load_plugins().components("loss") for options in choices(loss.spec.config)]
IDS = [f"{loss.name}{''.join(f'-{key}={value}' for key, value in options.items())}" for loss, options in LOSSES]
N, CLASSES = 12, 4


@pytest.mark.parametrize(("loss", "options"), LOSSES, ids=IDS)
def test_parts_of_a_batch_give_the_gradients_terms_and_weights_of_the_whole(
    loss: Component, options: dict[str, object]
) -> None:
    """Every installed loss that does not compare the samples of a batch, on toy networks in float64."""
    torch.manual_seed(0)
    context = BuildContext(num_classes=CLASSES, image_size=8, image_channels=1, feature_dim=FEATURE_DIM)
    objective = loss.spec.build(parse(loss.spec.config, options), context).double()
    generator, trunk = ToyGenerator(CLASSES).double(), ToyTrunk().double()
    if objective.relational or objective.stochastic:
        pytest.skip("its gradient is not the mean over the parts, or its random numbers are others")
    images, labels = torch.rand(N, 1, 8, 8, dtype=torch.float64) * 2 - 1, torch.randint(CLASSES, (N,))
    z = torch.randn(N, LATENT_DIM, dtype=torch.float64)
    fake_labels = labels if objective.fake_labels == "paired" else torch.randint(CLASSES, (N,))
    steps = DiscriminatorStep(generator, trunk, objective), GeneratorStep(generator, trunk, objective)
    critic = [*trunk.parameters(), *objective.parameters()]
    real = (images, labels) if objective.uses_real_in_generator_loss else (None, None)
    state = [{name: value.clone() for name, value in one.state_dict().items()} for one in (generator, trunk, objective)]
    found = []
    for parts in (1, 2, 3, 12):
        for module, kept in zip((generator, trunk, objective), state, strict=True):
            module.load_state_dict(kept)
        optimizers = torch.optim.SGD(critic, 0.1), torch.optim.SGD(generator.parameters(), 0.1)
        terms = [update(steps[0], optimizers[0], images, labels, z, fake_labels, parts=parts)]
        terms += [update(steps[1], optimizers[1], z, fake_labels, *real, freeze=critic, parts=parts)]
        players = [*critic, *generator.parameters()]
        found.append((terms, [one.grad for one in players], [one.detach().clone() for one in players]))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("extra", ["train.fake_labels=uniform", "train.fake_labels=balanced"])
def test_noise_labels_and_the_random_state_do_not_depend_on_the_parts(resolved: Resolve, extra: str) -> None:
    shown, states = [], []
    for parts in (1, 4):
        engine = started(with_extras(resolved(f"train.accumulate={parts}", extra), **SMALL))
        inputs: list[Tensor] = []
        engine.generator.register_forward_pre_hook(lambda module, args, inputs=inputs: inputs.extend(args))
        for _ in range(3):
            engine.advance()
        shown.append([torch.cat(inputs[0::2]), torch.cat(inputs[1::2])])
        states.append(engine.state())
    assert torch.equal(shown[0][0], shown[1][0])
    assert torch.equal(shown[0][1], shown[1][1])
    assert torch.equal(states[0]["random"], states[1]["random"])
    torch.testing.assert_close(states[0]["modules"], states[1]["modules"], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(states[0]["terms"], states[1]["terms"], rtol=1e-4, atol=1e-6)


# --- classes of the samples -------------------------------------------------------------------------------------------


def labels_of(rule: Any, count: int, of_data: Tensor, classes: int = 5) -> Tensor:
    return FakeLabels(rule, classes, of_data).draw(count)


def test_uniform_classes_are_drawn_as_they_always_were() -> None:
    torch.manual_seed(3)
    drawn = labels_of("uniform", 100, torch.zeros(7, dtype=torch.int64))
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.randint(5, (100,)))


@pytest.mark.parametrize("count", [1, 4, 5, 13, 64])
def test_balanced_classes_are_equally_many_in_a_batch_up_to_one(count: int) -> None:
    torch.manual_seed(0)
    counts = torch.stack([
        torch.bincount(labels_of("balanced", count, torch.zeros(7, dtype=torch.int64)), minlength=5)
        for _ in range(200)
    ])  # fmt: skip
    assert (counts.sum(1) == count).all()
    assert set(counts.flatten().tolist()) <= {count // 5, -(-count // 5)}
    share = counts.double().mean(0) / count
    assert (share - 0.2).abs().max() < 0.1, "no class has the remainder more often than another"


def test_data_classes_have_the_frequencies_of_the_training_images(resolved: Resolve) -> None:
    torch.manual_seed(0)
    of_data = torch.tensor([0] * 70 + [2] * 20 + [4] * 10)
    share = torch.bincount(labels_of("data", 20_000, of_data), minlength=5) / 20_000
    expected = torch.tensor([0.7, 0.0, 0.2, 0.0, 0.1])
    assert (share - expected).abs().max() < 0.017  # 5 standard deviations
    assert share[1] == share[3] == 0

    engine = started(with_extras(resolved("train.fake_labels=data"), **SMALL))
    drawn: list[Tensor] = []
    engine.generator.register_forward_pre_hook(lambda module, args: drawn.append(args[1]))
    engine.advance()
    assert [len(labels) for labels in drawn] == [8, 8]
    assert torch.cat(drawn).max() < 4


# --- the average ------------------------------------------------------------------------------------------------------


def test_after_its_half_life_a_batch_counts_half_in_the_average(resolved: Resolve) -> None:
    train = resolved("train.ema_half_life=80").recipe.sections.train  # ten batches of 8
    decays = [decay_at(train, step) for step in range(10)]
    assert torch.tensor(decays, dtype=torch.float64).prod().item() == pytest.approx(0.5, rel=1e-12)

    engine = started(with_extras(resolved("train.ema_half_life=80", "train.ema_start=2"), **SMALL))
    weight, average = (
        engine.generator.get_parameter("linear.bias"),
        engine.average.generator.get_parameter("linear.bias"),
    )
    expected = weight.detach().clone()
    for step in range(1, 6):
        engine.advance()
        decay = 0.0 if step <= 2 else 0.5**0.1
        expected = decay * expected + (1 - decay) * weight.detach()
        torch.testing.assert_close(average, expected)


def test_the_half_life_and_the_decay_follow_schedules(resolved: Resolve) -> None:
    half_life = "train.ema_half_life={from=8, to=80, steps=10}"
    train = resolved(half_life).recipe.sections.train
    assert [decay_at(train, step) for step in (0, 5, 10, 19)] == pytest.approx(
        [0.5, 0.5 ** (8 / 44), 0.5**0.1, 0.5**0.1]
    )
    train = resolved("train.ema_decay={from=0.5, to=0.9}").recipe.sections.train
    assert [decay_at(train, step) for step in (0, 10)] == pytest.approx([0.5, 0.7])


# --- schedules of the optimizers --------------------------------------------------------------------------------------

SCHEDULE = "{from=0.2, to=0.6, steps=10}"
ARGUMENTS = {
    "adam": {"betas": "[0.5, %s]", "eps": "%s", "weight_decay": "%s", "lr": "%s"},
    "adamw": {"betas": "[%s, 0.9]", "weight_decay": "%s"},
    "nadam": {"betas": "[%s, 0.9]", "momentum_decay": "%s"},
    "radam": {"betas": "[%s, %s]", "eps": "%s"},
    "adamax": {"betas": "[%s, 0.9]", "weight_decay": "%s"},
    "rmsprop": {"alpha": "%s", "eps": "%s", "weight_decay": "%s"},
    "sgd": {"momentum": "%s", "dampening": "%s", "weight_decay": "%s"},
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_torch_sees_the_value_of_each_step(resolved: Resolve, name: str) -> None:
    given = {key: text.replace("%s", SCHEDULE) for key, text in ARGUMENTS[name].items()}
    text = ", ".join(f"{key}={value}" for key, value in ({"lr": "0.001"} | given).items())
    recipe = with_extras(resolved(f"optimizer.generator={{name='{name}', {text}}}"), **SMALL)
    engine, config = started(recipe), recipe.recipe.sections.optimizer.generator
    seen: list[dict[str, Any]] = []
    engine.optimizers["generator"].register_step_pre_hook(
        lambda optimizer, *_: seen.append({key: optimizer.param_groups[0][key] for key in given})
    )
    for _ in range(12):
        engine.advance()

    def at(value: Any, step: int) -> Any:
        return tuple(at(one, step) for one in value) if isinstance(value, tuple) else value_at(value, step, 20)

    for step, values in enumerate(seen):
        for key, value in values.items():
            assert value == pytest.approx(at(getattr(config, key), step)), (key, step)
    assert seen[0] != seen[5] != seen[11]
    assert seen[10] == seen[11]
    fresh, state = started(recipe), copy.deepcopy(engine.state())
    fresh.load_state(copy.deepcopy(state))
    fresh.advance()
    torch.set_rng_state(state["random"])
    engine.advance()
    for mine, theirs in zip(engine.generator.parameters(), fresh.generator.parameters(), strict=True):
        assert torch.equal(mine, theirs)
        assert mine.isfinite().all()


def test_a_momentum_that_begins_at_zero_is_that_of_torch(resolved: Resolve) -> None:
    """SGD creates its buffer when the momentum first is above 0; from then on it is a plain SGD with momentum."""
    momentum = Schedule(start=0.0, to=0.5, after=3, steps=1)
    engine = started(
        with_extras(
            resolved("optimizer.generator={name='sgd', lr=0.1, momentum={from=0.0, to=0.5, after=3, steps=1}}"), **SMALL
        )
    )
    parameters = list(engine.generator.parameters())
    naive, buffers = [one.detach().clone() for one in parameters], [None] * len(parameters)
    for step in range(7):
        engine.advance()
        for index, one in enumerate(parameters):
            gradient = one.grad.clone()  # type: ignore[union-attr]
            if value_at(momentum, step, 20):
                old: Any = buffers[index]
                buffers[index] = gradient if old is None else 0.5 * old + gradient
                gradient = buffers[index]  # type: ignore[assignment]
            naive[index] = naive[index] - 0.1 * gradient
    torch.testing.assert_close([one.detach() for one in parameters], naive)
