"""Every regularizer in the steps of training: whom it trains, lazily, in bfloat16, with every installed loss."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from cganzoo_regularizers import cganzoo_regularizers
from torch import Tensor, nn

from cganzoo import BuildContext
from cganzoo.config import parse
from cganzoo.registry import load_plugins
from cganzoo.testing.toys import FEATURE_DIM, ToyGenerator, ToyTrunk
from cganzoo.train.freeze import frozen
from cganzoo.train.regularizers import Weighted
from cganzoo.train.steps import DiscriminatorStep, GeneratorStep

SPECS = {spec.name: spec for spec in cganzoo_regularizers()}
OF_DISCRIMINATOR = ["r1", "r2", "gradient_penalty", "dragan", "cr", "bcr", "zcr", "lecam", "orthogonal"]
OF_GENERATOR = ["zcr", "orthogonal"]
OPTIONS: dict[str, dict[str, Any]] = {"orthogonal": {"players": "both"}}
LOSSES = load_plugins().components("loss")


def test_these_are_all_regularizers() -> None:
    assert list(SPECS) == OF_DISCRIMINATOR


# --- each trains its player only ------------------------------------------------------------------------------------


@pytest.mark.parametrize("apart", [False, True], ids=["plain", "batch_statistics"])
@pytest.mark.parametrize("name", OF_DISCRIMINATOR)
def test_the_discriminator_s_penalty_trains_trunk_and_heads_only(
    game: Any, centered: Any, name: str, apart: bool
) -> None:
    played = game(name, trunk=centered() if apart else None, dtype=torch.float32, **OPTIONS.get(name, {}))
    before = state(played)
    loss, terms = played.discriminator_step(*played.inputs)
    added = [term for term in terms if term != "adversarial"]
    assert added
    assert all(term.startswith(name) for term in added)
    loss.backward()
    assert all(weight.grad is None for weight in played.parameters["generator"])
    adversarial, _ = played.discriminator_step(*played.inputs, due=(False,))
    with_it, without = gradients(played.trunk), torch.autograd.grad(adversarial, list(played.trunk.parameters()))
    assert with_it.isfinite().all()
    assert not torch.allclose(with_it, torch.cat([g.flatten() for g in without]))
    assert equal(before, state(played))


@pytest.mark.parametrize("name", OF_GENERATOR)
def test_the_generator_s_penalty_trains_the_generator_only(game: Any, name: str) -> None:
    played = game(name, dtype=torch.float32, **OPTIONS.get(name, {}))
    before = state(played)
    with frozen(played.parameters["discriminator"]):
        loss, terms = played.generator_step(played.z, played.fake_labels)
        loss.backward()
    assert name in terms
    assert all(weight.grad is None for weight in played.parameters["discriminator"])
    with_it = gradients(played.generator)
    played.generator.zero_grad()
    with frozen(played.parameters["discriminator"]):
        played.generator_step(played.z, played.fake_labels, due=(False,))[0].backward()
    assert with_it.isfinite().all()
    assert not torch.allclose(with_it, gradients(played.generator))
    assert equal(before, state(played))


@pytest.mark.parametrize("name", sorted(set(OF_DISCRIMINATOR) - set(OF_GENERATOR)))
def test_others_add_nothing_to_the_generator_s_loss(game: Any, name: str) -> None:
    played = game(name)
    assert played.generator_step(played.z, played.fake_labels)[1].keys() == {"adversarial"}


def state(played: Any) -> dict[str, Tensor]:
    modules = nn.ModuleList([played.generator, played.trunk, played.objective])
    return {name: value.clone() for name, value in modules.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def gradients(module: nn.Module) -> Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in module.parameters() if parameter.grad is not None])


# --- the device -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OF_DISCRIMINATOR)
def test_it_never_waits_for_the_device(game: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On "meta", tensors have no values, so code that reads one fails, and so does code that uses another device."""
    monkeypatch.setattr(torch, "autocast", lambda *arguments, **options: nullcontext())  # "meta" has none
    played = game(name, dtype=torch.float32, **OPTIONS.get(name, {}))
    for module in (played.regularizer, played.generator, played.trunk, played.objective):
        module.to("meta")
    for field in ("images", "labels", "z", "fake_labels"):
        setattr(played, field, getattr(played, field).to("meta"))
    played.regularizer.advance(1, 10)
    assert all(term.is_meta for term in played.discriminator_step(*played.inputs)[1].values())
    assert all(term.is_meta for term in played.generator_step(played.z, played.fake_labels)[1].values())


# --- precision ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OF_DISCRIMINATOR)
def test_in_bfloat16_it_is_close_to_float32(game: Any, centered: Any, name: str) -> None:
    """The networks work in bfloat16; the terms and the gradients are of float32."""
    for trunk in (None, centered()):
        found = {}
        for autocast in (False, True):
            played = game(name, trunk=trunk, dtype=torch.float32, autocast=autocast, **OPTIONS.get(name, {}))
            torch.manual_seed(0)
            loss, terms = played.discriminator_step(*played.inputs)
            loss.backward()
            assert all(term.dtype == torch.float32 for term in terms.values())
            assert gradients(played.trunk).isfinite().all()
            found[autocast] = torch.stack([terms[term] for term in terms if term != "adversarial"])
        assert torch.allclose(found[True], found[False], rtol=0.3, atol=0.01), found
        assert found[True].isfinite().all()


# --- the weight and the interval ------------------------------------------------------------------------------------


def test_a_lazy_r1_equals_the_plain_one_in_expectation(game: Any) -> None:
    """Over k batches with frozen weights, averaged over the k possible first ones, the gradients are equal."""
    k = 4
    batches = [game("r1", seed=seed).images for seed in range(k)]
    played = game("r1")
    lazy, plain = (
        Weighted(played.regularizer, "r1", weight=0.5, every=k),
        Weighted(played.regularizer, "r1", weight=0.5),
    )

    def summed(weighted: Weighted, first: int) -> Tensor:
        step = DiscriminatorStep(played.generator, played.trunk, played.objective, regularizers=[weighted])
        total = torch.zeros(())
        for update, images in enumerate(batches):
            due = (weighted.is_due("discriminator", first + update),)
            inputs = (images, *played.inputs[1:])
            total = total + step(*inputs, due)[0] - step(*inputs, (False,))[0]
        return played.gradient(total)

    expected = summed(plain, 0)
    found = torch.stack([summed(lazy, first) for first in range(k)])
    torch.testing.assert_close(found.mean(0), expected)
    assert not torch.allclose(found[0], expected)


# --- with every loss ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_each_works_with_every_installed_loss(loss: Any) -> None:
    context = BuildContext(num_classes=3, image_size=8, image_channels=1, feature_dim=FEATURE_DIM)
    torch.manual_seed(0)
    objective = loss.spec.build(parse(loss.spec.config, {}), context)
    conditional = loss.spec.conditioning(parse(loss.spec.config, {})) != "unconditional"
    players = ToyGenerator(3, conditional=conditional), ToyTrunk(), objective
    regularizers = [
        Weighted(spec.build(parse(spec.config, OPTIONS.get(name, {})), context), name, weight=spec.weight)
        for name, spec in SPECS.items()
    ]
    images, labels, z = torch.rand(6, 1, 8, 8) * 2 - 1, torch.arange(6) % 3, torch.randn(6, 6)
    loss_d, terms = DiscriminatorStep(*players, regularizers=regularizers)(images, labels, z, labels)
    loss_d.backward()
    assert {name for name in SPECS if any(term.startswith(name) for term in terms)} == set(SPECS)
    discriminator = [*players[1].parameters(), *objective.parameters()]
    with frozen(discriminator):
        real = (images, labels) if objective.uses_real_in_generator_loss else ()
        loss_g, terms = GeneratorStep(*players, regularizers=regularizers)(z, labels, *real)
        loss_g.backward()
    assert set(OF_GENERATOR) <= set(terms)
    assert all(p.grad.isfinite().all() for p in [*discriminator, *players[0].parameters()] if p.grad is not None)
    assert gradients(players[0]).any()
    assert gradients(players[1]).any()
