"""Optimizers by name: torch's own, with the recipe's arguments."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from cganzoo.recipe.optimizers import OptimizerConfig

CASES: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "adam": (torch.optim.Adam, {"betas": (0.5, 0.9), "eps": 1e-6, "weight_decay": 0.1, "amsgrad": True}),
    "adamw": (torch.optim.AdamW, {"betas": (0.5, 0.9), "weight_decay": 0.1}),
    "nadam": (torch.optim.NAdam, {"betas": (0.5, 0.9), "momentum_decay": 0.1}),
    "radam": (torch.optim.RAdam, {"betas": (0.5, 0.9)}),
    "adamax": (torch.optim.Adamax, {"betas": (0.5, 0.9)}),
    "rmsprop": (torch.optim.RMSprop, {"alpha": 0.9, "momentum": 0.5, "centered": True}),
    "sgd": (torch.optim.SGD, {"momentum": 0.5, "nesterov": True, "weight_decay": 0.1}),
}


def config(**values: Any) -> OptimizerConfig:
    parsed: OptimizerConfig = TypeAdapter(OptimizerConfig).validate_python(values)
    return parsed


def trained(optimizer_of: Any) -> list[torch.Tensor]:
    """Parameters after a few steps at rate 0.01."""
    random = torch.Generator().manual_seed(0)
    parameters = [nn.Parameter(torch.randn(3, 2, generator=random)), nn.Parameter(torch.randn(4, generator=random))]
    optimizer = optimizer_of(iter(parameters))
    for group in optimizer.param_groups:
        group["lr"] = 0.01
    for _ in range(8):
        optimizer.zero_grad()
        sum((parameter**4).sum() for parameter in parameters).backward()  # type: ignore[union-attr]
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_torch(name: str) -> None:
    kind, arguments = CASES[name]
    ours = trained(lambda parameters: config(name=name, lr=0.1, **arguments).build(parameters))
    theirs = trained(lambda parameters: kind(parameters, lr=0.1, **arguments))  # type: ignore[call-arg]
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_defaults_are_those_of_torch(name: str) -> None:
    kind, _ = CASES[name]
    parameter = nn.Parameter(torch.zeros(1))
    theirs = kind([parameter], lr=0.0).defaults  # type: ignore[call-arg]
    ours = config(name=name, lr=0.5).build([parameter]).defaults
    assert ours.keys() == theirs.keys()
    assert {key: ours[key] for key in ours if key != "fused"} == {key: theirs[key] for key in ours if key != "fused"}


def test_the_rate_waits_for_the_engine_to_set_it() -> None:
    optimizer = config(name="adam", lr=0.5).build([nn.Parameter(torch.zeros(1))])
    assert [group["lr"] for group in optimizer.param_groups] == [0.0]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"name": "sgd", "lr": 1, "nesterov": True}, "nesterov = true needs momentum above 0"),
        ({"name": "sgd", "lr": 1, "nesterov": True, "momentum": 0.9, "dampening": 0.1}, "and dampening = 0"),
        ({"name": "adam"}, "Field required"),
        ({"name": "adam", "lr": 1, "momentum": 0.9}, "Extra inputs are not permitted"),
        ({"name": "adam", "lr": 1, "betas": (1.0, 0.9)}, "below 1"),
        ({"name": "rmsprop", "lr": 1, "eps": 0}, "above 0"),
        ({"name": "adam", "lr": {"from": 1, "to": -1}}, "every value must be at least 0"),
    ],
)
def test_arguments_that_torch_would_refuse_are_refused_first(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        config(**values)
