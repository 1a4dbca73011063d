"""The optimizers' parameter groups, and their arguments that follow a schedule."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn, optim
from torch.nn.utils import parametrize

from cganzoo.errors import PluginError
from cganzoo.objective import Objective, ParameterGroup
from cganzoo.recipe.optimizers import Optimizer

FACTOR = "lr_factor"
"""Key of a parameter group: the factor of its learning rate."""


def grouped(trunk: nn.Module, objective: Objective) -> list[dict[str, Any]]:
    """The parameters of trunk and heads in groups, one for each learning rate; the first has that of the recipe.

    Raises:
        PluginError: the loss's groups are not its parameters, each once, or a factor is negative.
    """
    groups: dict[float, list[nn.Parameter]] = {1.0: list(trunk.parameters())}
    for group in _named_groups(objective):
        if not (math.isfinite(group.lr_factor) and group.lr_factor >= 0):
            raise PluginError(
                f"{type(objective).__name__}.parameter_groups: lr_factor = {group.lr_factor} must be 0 or more"
            )
        groups.setdefault(float(group.lr_factor), []).extend(group.parameters)
    given = [id(parameter) for parameters in groups.values() for parameter in parameters]
    wanted = [id(parameter) for module in (trunk, objective) for parameter in module.parameters()]
    if sorted(given) != sorted(wanted):
        raise PluginError(f"{type(objective).__name__}.parameter_groups: the groups must hold each parameter once")
    return [
        {"params": parameters, **({} if factor == 1 else {FACTOR: factor})}
        for factor, parameters in groups.items()
        if parameters
    ]


def _named_groups(objective: Objective) -> list[ParameterGroup]:
    """The loss's groups, in which a normalised matrix that a loss names (``head.weight``) is the parameter behind it.

    It is computed at each use; here, once.
    """
    modes: list[tuple[Any, bool]] = [(module, module.training) for module in objective.modules()]
    with torch.no_grad(), parametrize.cached():
        for module, _ in modes:
            module.training = False  # no power iteration
        behind = {
            id(getattr(module, name)): one.original
            for module, _ in modes
            if parametrize.is_parametrized(module)
            for name, one in module.parametrizations.items()
            if hasattr(one, "original")  # weight norm, for example, has two parameters
        }
        groups = [
            ParameterGroup([behind.get(id(one), one) for one in group.parameters], group.lr_factor)
            for group in objective.parameter_groups()
        ]
    for module, mode in modes:
        module.training = mode
    return groups


class Rates:
    """Sets an optimizer's learning rates, and its other arguments that follow a schedule."""

    def __init__(self, optimizer: optim.Optimizer, recipe: Optimizer, total_steps: int) -> None:
        self._optimizer, self._recipe, self._total = optimizer, recipe, total_steps
        self._names = {"lr", *recipe.scheduled}  # the others stay what they are

    def set(self, step: int) -> None:
        """Set their values at ``step``."""
        values = self._recipe.at(step, self._total, self._names)
        for group in self._optimizer.param_groups:
            group.update(values)
            group["lr"] *= group.get(FACTOR, 1.0)
