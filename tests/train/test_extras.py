"""Regularizers and augmentations in the engine: when each is computed, its weight, its terms, and what is resumed."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from continuing import same
from engines import started, with_extras
from own_extras import Adaptive, Anchor, Both, Noisy, Score, Slope
from own_networks import HalfFrozen, Linear

from cganzoo.config import Schedule
from cganzoo.errors import DivergenceError, PluginError, RunError
from cganzoo.objective import Batch, Networks, ParameterGroup, Terms
from cganzoo.recipe.resolve import Resolved
from cganzoo.regularizer import Regularizer
from cganzoo.specs import BuildContext
from cganzoo.train.engine import Engine
from cganzoo.train.regularizers import Weighted, merged

Resolve = Callable[..., Resolved]
SMALL: dict[str, Any] = {"generator": Linear, "discriminator": HalfFrozen, "loss": Score}


def trained(resolved: Resolved, steps: int) -> Engine:
    engine = started(resolved)
    for _ in range(steps):
        engine.advance()
    return engine


# --- names ----------------------------------------------------------------------------------------------------------


def named(name: str, number: int = 0, **options: Any) -> Weighted:
    return Weighted(Regularizer(), name, number, **options)


def test_terms_begin_with_the_name_of_their_component_and_repeated_ones_have_a_number() -> None:
    terms = {"slope": 1, "real": 2, "slope_fake": 3, "slopes": 4}
    labels = [[named("slope", number).label(term) for term in terms] for number in (0, 1)]
    assert labels[0] == ["slope", "slope_real", "slope_fake", "slope_slopes"]
    assert labels[1] == ["slope_2", "slope_real_2", "slope_fake_2", "slope_slopes_2"]


def test_no_term_takes_the_place_of_another() -> None:
    one = torch.ones(())
    due = [(named("real", every=4), {"real": 2 * one}), (named("a"), {"a_b": 3 * one}), (named("a_b"), {"a_b": one})]
    logged, summed = merged({"real": one, "fake": one}, due)
    assert logged == {"real": 1, "fake": 1, "real_regularizer": 2, "a_b": 3, "a_b_regularizer": 1}
    assert summed == [1, 1, 8, 3, 1], "a lazy term counts several times in the gradient, and once in the log"


@pytest.mark.parametrize(
    ("label", "owner"),
    [
        ("cr", 0), ("cr_real", 0), ("cr_real_regularizer", 0), ("cr_2", 1), ("cr_real_2", 1), ("cross_entropy", None),
        ("bcr_real", 2), ("crs", None), ("real", None),
    ],
)  # fmt: skip
def test_a_term_is_that_of_the_regularizer_whose_name_it_has(resolved: Resolve, label: str, owner: int | None) -> None:
    engine = started(with_extras(resolved(), **SMALL))
    engine.regularizers = [named("cr", every=2), named("cr", 1, every=3), named("bcr", every=5)]
    assert engine._owner(f"discriminator/{label}") == owner
    assert engine._every(f"discriminator/{label}") == (1 if owner is None else (2, 3, 5)[owner])


# --- lazy regularizers ------------------------------------------------------------------------------------------------


def test_a_lazy_regularizer_is_computed_at_each_k_th_update_of_each_player(resolved: Resolve) -> None:
    engine = started(with_extras(resolved("train.discriminator_steps=2"), (Both, 1.0, 3), **SMALL))
    both = engine.regularizers[0].regularizer
    assert isinstance(both, Both)
    steps = []
    for _ in range(7):
        both.calls.clear()
        engine.advance()
        steps.append("".join(player[0] for player in both.calls))
    # updates of the discriminator: 0 1 | 2 3 | 4 5 | 6 7 | 8 9 | 10 11 | 12 13; of the generator: 0 to 6
    assert steps == ["dg", "d", "", "dg", "d", "", "dg"]
    assert {name: len(values) for name, values in engine.terms.items()} == {
        "discriminator/real": 14,
        "discriminator/fake": 14,
        "discriminator/both_real": 5,
        "discriminator/both_fake": 5,
        "generator/adversarial": 7,
        "generator/both": 3,
    }


@pytest.mark.parametrize(("weight", "every"), [(0.5, 1), (0.5, 4), (2.0, 4)])
def test_the_gradient_has_the_weight_times_the_interval_and_the_log_has_the_weight(
    resolved: Resolve, weight: float, every: int
) -> None:
    def first_gradient(*regularizers: Any) -> tuple[torch.Tensor, Engine]:
        engine = trained(with_extras(resolved(), *regularizers, **SMALL), 1)
        gradient = engine.trunk.get_parameter("layer.weight").grad
        assert gradient is not None
        return gradient.clone(), engine

    # The same regularizer at weight 0 keeps the passes of the trunk, so that only the penalty differs.
    (plain, _), (one, engine), (other, _) = (
        first_gradient((Slope, 0.0, 1)), first_gradient((Slope, weight, every)), first_gradient((Slope, 1.0, 1)),
    )  # fmt: skip
    torch.testing.assert_close(one - plain, weight * every * (other - plain), rtol=1e-3, atol=1e-6)
    reference = trained(with_extras(resolved(), (Slope, 1.0, 1), **SMALL), 1)
    logged = engine.mean_terms()["discriminator/slope"]
    assert logged == pytest.approx(weight * reference.mean_terms()["discriminator/slope"])


def test_a_weight_follows_its_schedule_and_a_repeated_regularizer_has_its_own(resolved: Resolve) -> None:
    class One(Regularizer):
        def __init__(self, context: BuildContext) -> None:
            super().__init__()

        def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
            return {"one": real.features.new_ones(())}

    engine = trained(with_extras(resolved(), (One, Schedule(start=2.0, to=0.0), 1), (One, 3.0, 1), **SMALL), 20)
    weights = [float(value) for value in engine.terms["discriminator/one"]]
    assert weights == pytest.approx([2 - step / 10 for step in range(20)])
    assert set(map(float, engine.terms["discriminator/one_2"])) == {3.0}


# --- the log ----------------------------------------------------------------------------------------------------------


def test_the_order_of_the_terms_does_not_depend_on_when_the_log_was_cleared(resolved: Resolve) -> None:
    engine = started(with_extras(resolved(), (Both, 1.0, 3), (Slope, 1.0, 2), (Both, 0.1, 1), **SMALL))
    orders = []
    for _ in range(8):
        for _ in range(6):
            engine.advance()
        orders.append(list(engine.mean_terms()))
        assert list(engine.newest_terms(6)) == orders[0]
        engine.terms.clear()
        engine.advance()  # the next terms begin at a step at which other regularizers are due
    assert all(order == orders[0] for order in orders)
    assert orders[0] == [
        "discriminator/real",
        "discriminator/fake",
        "discriminator/both_real",
        "discriminator/both_fake",
        "discriminator/slope",
        "discriminator/both_real_2",
        "discriminator/both_fake_2",
        "generator/adversarial",
        "generator/both",
        "generator/both_2",
    ]


def test_what_an_augmentation_logs_is_after_the_terms_of_the_discriminator(resolved: Resolve) -> None:
    class Logging(Adaptive):
        def logged(self) -> dict[str, torch.Tensor]:
            return {"adaptive_strength": self.get_buffer("strength")}

    engine = trained(with_extras(resolved(), (Slope, 1.0, 1), augmentations=[Logging], **SMALL), 1)
    *_, slope, strength, adversarial = engine.mean_terms()
    shown = [slope, strength, adversarial]
    assert shown == ["discriminator/slope", "discriminator/adaptive_strength", "generator/adversarial"]


def test_a_term_that_was_not_due_is_left_out_and_the_newest_are_those_of_the_last_steps(resolved: Resolve) -> None:
    engine = started(with_extras(resolved("train.discriminator_steps=2"), (Slope, 1.0, 5), **SMALL))
    for step in range(1, 13):
        engine.advance()
        for steps in range(1, step + 1):
            due = [update for update in range((step - steps) * 2, step * 2) if update % 5 == 0]
            newest = engine.newest_terms(steps)
            assert len(newest.get("discriminator/slope", [])) == len(due)
            assert len(newest["discriminator/real"]) == 2 * steps
            assert len(newest["generator/adversarial"]) == steps
    engine.terms.clear()
    engine.advance()  # updates 24 and 25
    engine.terms.clear()
    engine.advance()
    assert "discriminator/slope" not in engine.mean_terms()
    engine.check_finite()


def test_the_message_of_a_divergence_names_the_step_of_a_lazy_term(resolved: Resolve) -> None:
    engine = trained(with_extras(resolved("train.discriminator_steps=2"), (Slope, 1.0, 3), **SMALL), 8)
    values = engine.terms["discriminator/slope"]  # of the updates 0, 3, 6, 9, 12, 15
    values[3] = torch.tensor(math.nan)  # update 9 is the second of step 5
    with pytest.raises(DivergenceError, match="loss term discriminator/slope is nan since step 5;"):
        engine.mean_terms()


class Lengths(Score):
    """Differentiates the generator twice in the step of the discriminator."""

    uses_networks = True

    def discriminator_loss(self, real: Batch, fake: Batch, networks: Networks | None = None) -> Terms:
        assert networks is not None
        assert fake.latents is not None
        noise = fake.latents.clone().requires_grad_()
        images = networks.images(noise, fake.labels)
        (slope,) = torch.autograd.grad(images.square().sum(), noise, create_graph=True)
        return {**super().discriminator_loss(real, fake), "lengths": slope.square().mean()}

    def generator_loss(self, fake: Batch, real: Batch | None = None, networks: Networks | None = None) -> Terms:
        return super().generator_loss(fake)


def test_no_second_derivative_of_the_discriminators_loss_reaches_a_generator_with_batch_norm(resolved: Resolve) -> None:
    engine = started(with_extras(resolved("generator.batch_norm=true"), loss=Lengths))
    found: list[str] = []

    def look(*_: object) -> None:
        found.extend(name for name, weight in engine.generator.named_parameters() if weight.grad is not None)

    engine.optimizers["discriminator"].register_step_post_hook(look)
    engine.advance()
    assert found == []
    assert all(weight.requires_grad for weight in engine.generator.parameters())


# --- augmentations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [1, 4])
def test_an_augmentation_observes_the_scores_of_the_real_batch_once_in_each_update(
    resolved: Resolve, parts: int
) -> None:
    recipe = resolved("train.discriminator_steps=2", f"train.accumulate={parts}")
    engine = started(with_extras(recipe, augmentations=[Adaptive], **SMALL))
    scores: list[torch.Tensor] = []
    score = engine.objective.score

    def kept(features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        scores.append(score(features, labels))
        return scores[-1]

    engine.objective.score = kept  # type: ignore[method-assign]
    for _ in range(3):
        engine.advance()
    (augmentation,) = engine.augmentations
    assert isinstance(augmentation, Adaptive)
    assert [len(observed) for observed in augmentation.observed] == [8] * 6
    assert not any(observed.requires_grad for observed in augmentation.observed)
    if parts == 1:  # in each update: scores of real images, of fakes, and of real images again; the generator's: one
        assert torch.equal(augmentation.observed[0], scores[0].detach())
        assert torch.equal(augmentation.observed[0], scores[2])


class Logs(Adaptive):
    def logged(self) -> dict[str, torch.Tensor]:
        return {"real": self.get_buffer("strength"), "logs": self.get_buffer("strength")}


def test_what_augmentations_log_takes_no_place_of_a_term_or_of_another(resolved: Resolve) -> None:
    engine = trained(with_extras(resolved(), augmentations=[Logs, Logs, Adaptive], **SMALL), 0)
    before = [augmentation.get_buffer("strength").clone() for augmentation in engine.augmentations]
    engine.advance()
    plain = trained(with_extras(resolved(), augmentations=[Adaptive, Adaptive, Adaptive], **SMALL), 1)
    for name, strength in zip(("logs", "logs_2"), before, strict=False):
        assert engine.terms[f"discriminator/{name}"] == [strength]
    assert engine.terms["discriminator/real"] == plain.terms["discriminator/real"]
    added = {"real_2", "real_3", "logs", "logs_2"}
    assert engine.terms.keys() - plain.terms.keys() == {f"discriminator/{name}" for name in added}


# --- what a checkpoint holds ------------------------------------------------------------------------------------------

STATEFUL: dict[str, Any] = {**SMALL, "loss": Noisy, "augmentations": [Adaptive]}


def stateful(resolved: Resolve, *overrides: str) -> Resolved:
    return with_extras(resolved(*overrides), (Slope, 0.5, 3), (Anchor, Schedule(start=1.0, to=0.0), 2), **STATEFUL)


@pytest.mark.parametrize("stop", [1, 3, 4])
def test_lazy_penalties_averages_adaptive_augmentations_and_random_losses_are_resumed_to_the_bit(
    resolved: Resolve, stop: int
) -> None:
    recipe = stateful(resolved, "train.discriminator_steps=2")
    stopped = trained(recipe, stop)
    file = io.BytesIO()
    torch.save(stopped.state(), file)
    for _ in range(5):
        stopped.advance()
    reached = stopped.state()
    assert float(reached["modules"]["regularizers"]["1.regularizer.mean"]) != 0
    assert float(reached["modules"]["augmentations"]["0.strength"]) != pytest.approx(0.1)

    fresh = started(recipe)
    torch.rand(7)
    file.seek(0)
    fresh.load_state(torch.load(file, weights_only=True))
    for _ in range(5):
        fresh.advance()
    now = fresh.state()
    assert now.keys() == reached.keys()
    for part in reached:
        assert same(now[part], reached[part]), part
    assert fresh.mean_terms() == stopped.mean_terms()


def test_a_checkpoint_without_extras_has_the_keys_that_it_had(resolved: Resolve) -> None:
    assert set(started(resolved()).state()["modules"]) == {"generator", "trunk", "objective", "average"}


def test_a_checkpoint_of_other_regularizers_is_refused(resolved: Resolve) -> None:
    plain, extra = resolved(), resolved("regularizers=[{name='r1'}]", "requires.plugins=[]")
    other = resolved("regularizers=[{name='r1', every=2}]", "requires.plugins=[]")
    for one, two in ((plain, extra), (extra, plain), (extra, other)):
        with pytest.raises(RunError, match="from another run; --fresh starts from step 0"):
            started(two).load_state(started(one).state())


# --- groups of parameters ---------------------------------------------------------------------------------------------


class Grouped(Score):
    """The bias is trained at a tenth of the rate."""

    def parameter_groups(self) -> list[ParameterGroup]:
        return [ParameterGroup([self.head.bias], 0.1), ParameterGroup([self.head.weight])]


def test_a_group_has_its_own_rate_at_every_step_also_after_a_resume(resolved: Resolve) -> None:
    recipe = with_extras(resolved(), **{**SMALL, "loss": Grouped})
    moved = []
    for one in (with_extras(resolved(), **SMALL), recipe):
        engine = started(one)
        heads = list(engine.objective.parameters())
        before = [head.detach().clone() for head in heads]
        engine.advance()
        moved.append([head.detach() - old for head, old in zip(heads, before, strict=True)])
    (weight, bias), (same_weight, tenth) = moved
    torch.testing.assert_close(same_weight, weight)
    torch.testing.assert_close(tenth, 0.1 * bias, rtol=1e-2, atol=1e-7)
    for _ in range(4):
        engine.advance()
    fresh, state = started(recipe), copy.deepcopy(engine.state())
    fresh.load_state(copy.deepcopy(state))
    for one in (engine, fresh):
        torch.set_rng_state(state["random"])
        one.advance()
        rates = [group["lr"] for group in one.optimizers["discriminator"].param_groups]
        cosine = 8e-4 * (1 + math.cos(math.pi * 5 / 20)) / 2
        assert rates == pytest.approx([cosine, 0.1 * cosine])
    assert same(engine.state(), fresh.state())


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (lambda self: [], "must hold each parameter once"),
        (lambda self: [ParameterGroup(list(self.parameters())), ParameterGroup([self.head.bias], 2)], "each parameter"),
        (lambda self: [ParameterGroup(list(self.parameters()), -1.0)], "lr_factor = -1.0 must be 0 or more"),
        (lambda self: [ParameterGroup(list(self.parameters()), math.nan)], "lr_factor = nan must be 0 or more"),
    ],
)  # fmt: skip
def test_groups_that_are_not_the_parameters_of_the_loss_are_refused(
    resolved: Resolve, groups: Any, message: str
) -> None:
    wrong = type("Wrong", (Score,), {"parameter_groups": groups})
    with pytest.raises(PluginError, match=rf"^Wrong\.parameter_groups: .*{message}"):
        started(with_extras(resolved(), **{**SMALL, "loss": wrong}))
