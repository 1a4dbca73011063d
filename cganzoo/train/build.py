"""Building the modules of a run from its resolved recipe."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import ParametrizationList

from cganzoo.augmentation import Augmentation
from cganzoo.errors import PluginError, RecipeError
from cganzoo.networks import Discriminator, Generator
from cganzoo.objective import Objective
from cganzoo.recipe.resolve import Chosen, Resolved
from cganzoo.specs import AugmentationSpec, BuildContext, LossTable, RegularizerSpec, RegularizerTable

from .regularizers import Weighted


class Networks(NamedTuple):
    """The modules that a run trains."""

    generator: Generator
    trunk: Discriminator
    objective: Objective

    def parameter_counts(self) -> dict[str, int]:
        """Number of parameters of each."""
        counts = (sum(parameter.numel() for parameter in module.parameters()) for module in self)
        return dict(zip(self._fields, counts, strict=True))


def check_trained(resolved: Resolved, generator: list[nn.Parameter], discriminator: list[nn.Parameter]) -> None:
    """Refuse a recipe in which a player has nothing to train; a trunk or a loss alone may have no parameters."""
    names = {kind: f'"{resolved.components[kind][0].table.name}"' for kind in ("generator", "discriminator", "loss")}
    problem = ""
    if not any(parameter.requires_grad for parameter in discriminator):
        neither = f"neither discriminator.name = {names['discriminator']} nor loss.name = {names['loss']}"
        problem = f"{neither} has parameters that are trained; choose another trunk or loss"
    elif not any(parameter.requires_grad for parameter in generator):
        problem = f"generator.name = {names['generator']} has no parameters that are trained; choose another generator"
    if problem:
        raise RecipeError(f"{resolved.recipe.source}: {problem}")


def build_networks(resolved: Resolved, class_names: tuple[str, ...]) -> Networks:
    """Build the three modules of a run on the CPU. They depend on torch's global random state."""
    context = resolved.context(class_names)
    generator, trunk = resolved.generator.create(context), resolved.discriminator.create(context)
    objective = resolved.loss.create(resolved.context(class_names, feature_dim=trunk.feature_dim))
    assert isinstance(resolved.loss.table, LossTable)
    if resolved.loss.table.spectral_norm:
        normalize_heads(objective)
    return Networks(generator, trunk, objective)


def normalize_heads(objective: Objective) -> None:
    """Divide each matrix of a loss by an estimate of its largest singular value, one power iteration at each use."""
    for module in list(objective.modules()):
        if not isinstance(module, ParametrizationList):  # a matrix that has a parametrization keeps it
            for name, parameter in list(module.named_parameters(recurse=False)):
                if parameter.ndim >= 2:
                    parametrizations.spectral_norm(module, name)


def build_regularizers(resolved: Resolved, context: BuildContext) -> list[Weighted]:
    """The regularizers of a run, in the recipe's order; ``context`` has the length of the features."""
    found, names = [], Counter[str]()
    for chosen in resolved.regularizers:
        assert isinstance(chosen.table, RegularizerTable)
        assert chosen.table.weight is not None
        assert chosen.table.every is not None
        regularizer, name = _without_parameters(chosen, context), chosen.spec.name
        found.append(Weighted(regularizer, name, names[name], weight=chosen.table.weight, every=chosen.table.every))
        names[name] += 1
    return found


def build_augmentations(resolved: Resolved, context: BuildContext) -> list[Augmentation]:
    """The augmentations of a run, in the recipe's order."""
    return [_without_parameters(chosen, context) for chosen in resolved.augmentations]


def _without_parameters(
    chosen: Chosen[RegularizerSpec[Any]] | Chosen[AugmentationSpec[Any]], context: BuildContext
) -> Any:
    module = chosen.create(context)
    if names := [name for name, _ in module.named_parameters()]:
        raise PluginError(
            f'{chosen.provider}: "{chosen.spec.name}" has the parameter {names[0]}, which nothing trains; '
            "make it a buffer, or make the component a loss"
        )
    return module
