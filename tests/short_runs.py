"""Trainings of a few steps with small networks, for the tests of combinations: what is installed, engines, tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from cganzoo.data.cache import ImageSet
from cganzoo.errors import RecipeError
from cganzoo.recipe.read import parse_recipe
from cganzoo.recipe.resolve import resolve
from cganzoo.registry import Component, load_plugins
from cganzoo.train.engine import Engine

STEPS = 3
WORKS = "yes"


@cache
def installed(kind: str) -> tuple[Component, ...]:
    """The components of a kind of all installed plugins."""
    return load_plugins().components(kind)


def distributions(used: Iterable[tuple[str, str]]) -> str:
    """The names, as in a list of TOML, of the distributions that provide these kinds and names of components."""
    names = {one.provider.distribution for kind, name in used for one in installed(kind) if one.name == name}
    return ", ".join(f'"{name}"' for name in sorted(names))


@cache
def images(size: int = 8) -> ImageSet:
    """64 images of noise in four classes."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (64, 1, size, size), np.uint8)
    return ImageSet(pixels, np.arange(64) % 4, tuple("abcd"), "train", "noise")


def started(recipe: str, size: int = 8) -> Engine | str:
    """The engine of a recipe before its first step; or why the recipe is refused."""
    try:
        resolved = resolve(parse_recipe(recipe, name="combination", source="recipe"))
    except RecipeError as error:
        return reason(str(error))
    return Engine(resolved, images(size), torch.device("cpu"))


def reason(message: str) -> str:
    """The reason in the message of a refusal, without the place, the loss's name and the advice."""
    (why,) = re.findall(r"the (?:loss|regularizer|augmentation) .*?(?=; |$)", message)
    why = re.sub(r'the loss "\w+"', "the loss", why)
    return why[0].upper() + why[1:]


def gradients(engine: Engine) -> dict[str, list[Tensor]]:
    """The gradients of both players in their last updates."""
    return {
        player: [one.grad for group in optimizer.param_groups for one in group["params"] if one.grad is not None]
        for player, optimizer in engine.optimizers.items()
    }


def trained(engine: Engine) -> dict[str, nn.Parameter]:
    """The parameters that are trained, of generator, trunk and heads, by name."""
    modules = {"generator": engine.generator, "trunk": engine.trunk, "heads": engine.objective}
    return {
        f"{owner} {name}": parameter
        for owner, module in modules.items()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }


def numbered(header: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A table in Markdown. Each cell that is not :data:`WORKS` becomes a number; its text stands below the table."""
    reasons = list(dict.fromkeys(cell for _, cells in rows for cell in cells if cell != WORKS))
    lines = [f"| {' | '.join(header)} |", "|---|" + "---|" * (len(header) - 1)]
    for name, cells in rows:
        lines.append(
            f"| {name} | {' | '.join(one if one == WORKS else str(reasons.index(one) + 1) for one in cells)} |"
        )
    notes = [f"{number}. {why}." for number, why in enumerate(reasons, 1)]
    return "\n" + "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"
