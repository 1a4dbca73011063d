"""``[loss] spectral_norm``: the heads of any loss, spectrally normalised."""

from __future__ import annotations

import copy

import pytest
import torch
from engines import started
from torch import Tensor, nn
from torch.nn.utils import parametrize

from cganzoo.objective import Objective, ParameterGroup
from cganzoo.recipe.read import parse_recipe
from cganzoo.recipe.resolve import Resolved, resolve
from cganzoo.registry import load_plugins
from cganzoo.train.build import normalize_heads
from cganzoo.train.optimizers import grouped

LOSSES = load_plugins().components("loss")
NORMALIZED = "\nspectral_norm = true"


def recipe(tiny: str, loss: str, more: str = "") -> Resolved:
    (component,) = (one for one in LOSSES if one.name == loss)
    text = tiny.replace('"cganzoo-amgan"', f'"{component.provider.distribution}"')
    text = text.replace('name = "amgan"', f'name = "{loss}"{more}')
    return resolve(parse_recipe(text, name="tiny", source="tiny.toml"))


def matrices(module: nn.Module) -> list[Tensor]:
    """The matrices that a loss uses, normalised or not."""
    normalized = [
        getattr(one, name)
        for one in module.modules()
        if parametrize.is_parametrized(one)
        for name in one.parametrizations
    ]
    return normalized or [parameter for parameter in module.parameters() if parameter.ndim >= 2]


def largest(matrix: Tensor) -> float:
    return float(torch.linalg.matrix_norm(matrix.detach().flatten(1), 2))


@pytest.mark.parametrize("loss", [one.name for one in LOSSES])
def test_the_heads_of_every_loss_train_normalized(tiny: str, loss: str) -> None:
    plain, engine = started(recipe(tiny, loss)), started(recipe(tiny, loss, NORMALIZED))
    assert len(matrices(engine.networks.objective)) == len(matrices(plain.networks.objective)) > 0
    for _ in range(3):
        engine.advance()
    engine.check_finite()
    for matrix in matrices(engine.networks.objective.eval()):
        assert largest(matrix) == pytest.approx(1, abs=0.1)
    for name, parameter in engine.networks.objective.named_parameters():
        assert parameter.grad is not None, name


def test_power_iterations_are_part_of_the_state(tiny: str) -> None:
    resolved = recipe(tiny, "amgan", NORMALIZED)
    engine = started(resolved)
    engine.advance()
    state = copy.deepcopy(engine.state())
    engine.advance()
    other = started(resolved)
    other.load_state(state)  # random numbers, too
    other.advance()
    mine, theirs = (one.networks.objective.state_dict() for one in (engine, other))
    assert any(name.endswith("_u") for name in mine)
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_matrix_of_a_table_and_one_that_is_normalized_already() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.randn(4, 6) * 5)
            self.gain = nn.Parameter(torch.ones(6))
            self.head = nn.utils.parametrizations.weight_norm(nn.Linear(6, 3))
            self.last = nn.Linear(6, 3)

    heads = Heads()
    before = heads.head.weight.detach().clone()
    normalize_heads(heads)
    assert largest(heads.table) == pytest.approx(1, abs=0.1)
    assert largest(heads.last.weight) == pytest.approx(1, abs=0.1)
    assert torch.equal(heads.head.weight, before)
    assert not parametrize.is_parametrized(heads, "gain")


class Groups(Objective):
    """Its groups name matrices, as most losses write it; each use of a normalised one computes another tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(4, 6))
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(6, 2, bias=False))
        self.head = nn.Linear(6, 3)

    def parameter_groups(self) -> list[ParameterGroup]:
        return [ParameterGroup([self.table, self.head.weight], 2.0), ParameterGroup(self.others())]

    def others(self) -> list[nn.Parameter]:
        return [self.head.bias, *self.normed.parameters()]


def test_groups_of_a_loss_may_name_normalized_matrices() -> None:
    loss, trunk = Groups(), nn.Linear(2, 2)
    normalize_heads(loss)
    state, random = copy.deepcopy(loss.state_dict()), torch.get_rng_state()
    plain, fast = grouped(trunk, loss)
    names = {id(parameter): name for name, parameter in loss.named_parameters()}
    assert {names[id(one)] for one in fast["params"]} == {
        "parametrizations.table.original",
        "head.parametrizations.weight.original",
    }
    assert len(plain["params"]) == 2 + 3
    assert all(torch.equal(value, state[name]) for name, value in loss.state_dict().items()), "no power iteration"
    assert torch.equal(torch.get_rng_state(), random)
    assert all(module.training for module in loss.modules())


def test_without_it_nothing_changes(tiny: str) -> None:
    plain, off = recipe(tiny, "amgan"), recipe(tiny, "amgan", "\nspectral_norm = false")
    assert plain.training_digest() == off.training_digest() != recipe(tiny, "amgan", NORMALIZED).training_digest()
    assert not any(parametrize.is_parametrized(one) for one in started(plain).networks.objective.modules())
