"""Every loss on every trunk, a few steps each: the second table of combinations.md.

The test names no network but one, which serves a trunk that has no generator of its name: it takes what is installed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from itertools import product
from typing import Any

import tomli_w
import torch
from additions import ADDITIONS, Choice, additions
from short_runs import STEPS, WORKS, distributions, installed, numbered, started, trained

from cganzoo.config import parse
from cganzoo.contexts import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.registry import Component
from cganzoo.train.engine import Engine

PARTNER = "dcgan"
"""The generator of a trunk that has none of its name."""

ADDED = ("alone", "r1", "diffaugment")
"""What each pair is trained with; keys of :data:`additions.ADDITIONS`."""

SIZES = (8, 16, 32, 64, 128)
"""Sides of images, in pixels. Networks get the first that they do not refuse."""

ADAM = {"name": "adam", "betas": [0.5, 0.999]}

INTRODUCTION = f"""
## Losses and networks

A test trains each loss with each installed discriminator for {STEPS} steps: alone, with `r1`, and with `diffaugment`.
The generator is the one of the same name, or `{PARTNER}` if there is none. The networks and the images are small. The
test checks that all terms, weights and gradients are finite, and that each weight of generator, trunk and heads gets a
gradient that is not zero. [Write a network](write-a-network.md) describes what a network must do.
"""

Pair = tuple[str, str]
"""The names of a loss and of a trunk."""


def pairs() -> list[Pair]:
    """Every loss with every trunk."""
    return list(product(*([one.name for one in installed(kind)] for kind in ("loss", "discriminator"))))


def sample() -> list[tuple[Pair, str]]:
    """Some pairs, each with one addition: each loss, each trunk and each addition is there."""
    losses, trunks = ([one.name for one in installed(kind)] for kind in ("loss", "discriminator"))
    draw = random.Random(0)
    longest = max(len(losses), len(trunks))
    columns = [(draw.sample(names, len(names)) * longest)[:longest] for names in (losses, trunks, _added())]
    return [((loss, trunk), addition) for loss, trunk, addition in zip(*columns, strict=True)]


def _added() -> list[str]:
    return [one for one in ADDED if one in additions()]


def component(kind: str, name: str) -> Component:
    """The installed component of this kind and name."""
    return next(one for one in installed(kind) if one.name == name)


@cache
def networks(trunk: str) -> tuple[str, int]:
    """The generator of a trunk, and the smallest size of images, in pixels, that both accept."""
    generator = trunk if trunk in {one.name for one in installed("generator")} else PARTNER
    for size in SIZES:
        try:
            for kind, name in (("generator", generator), ("discriminator", trunk)):
                _build(component(kind, name), size)
        except CganzooError:
            continue
        return generator, size
    raise AssertionError(f"{trunk} and {generator} share no size of {SIZES}")


def _build(network: Component, size: int) -> None:
    torch.manual_seed(0)
    config = parse(network.spec.config, dict(network.spec.small))
    network.spec.build(config, BuildContext(num_classes=4, image_size=size, image_channels=1))


def recipe(pair: Pair, addition: str) -> str:
    """The text of the recipe of a pair."""
    loss, trunk = pair
    generator, size = networks(trunk)
    choice = Choice(component("loss", loss))
    table = ADDITIONS[addition]
    used = {("loss", loss), ("discriminator", trunk), ("generator", generator)}
    used |= {(kind, addition) for kind in ("regularizer", "augmentation") if addition in table}
    unconditional = choice.loss.spec.conditioning(choice.config) == "unconditional"
    sections: dict[str, Mapping[str, Any]] = {
        "data": {"name": "digits", "image_size": size},
        "generator": {
            "name": generator,
            **component("generator", generator).spec.small,
            **({"conditional": False} if unconditional else {}),
        },
        "discriminator": {"name": trunk, **component("discriminator", trunk).spec.small},
        "loss": {"name": loss},
        "optimizer": {"generator": {"lr": 0.004, **ADAM}, "discriminator": {"lr": 0.002, **ADAM}},
        "train": {"steps": STEPS, "batch_size": 8},
    }
    return f"[requires]\nplugins = [{distributions(used)}]\n{tomli_w.dumps(sections)}\n{table}"


@cache
def outcome(pair: Pair, addition: str) -> str:
    """Train for a few steps: :data:`WORKS`, or why the recipe is refused, or which weights get no gradient.

    Raises:
        AssertionError: a gradient is not finite.
    """
    engine = started(recipe(pair, addition), networks(pair[1])[1])
    if isinstance(engine, str):
        return engine
    waiting = set(trained(engine))
    for _ in range(STEPS):
        engine.advance()
        waiting -= _reached(engine)
    engine.check_finite()
    if waiting:
        return f"No gradient reaches {', '.join(f'`{name}`' for name in sorted(waiting))} in {STEPS} steps"
    return WORKS


def _reached(engine: Engine) -> set[str]:
    """The names of the parameters that the last updates changed; all gradients must be finite.

    A normalisation after a layer makes its bias redundant, so the gradient of a bias may be zero, but not missing.
    """
    found = set()
    for name, parameter in trained(engine).items():
        if parameter.grad is not None:
            assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
            if name.endswith("bias") or parameter.grad.any():
                found.add(name)
    return found


def section() -> str:
    """The second table of docs/combinations.md: one cell for the trainings of a pair."""
    trunks = [one.name for one in installed("discriminator")]
    rows = [(f"`{loss.name}`", [cell((loss.name, trunk)) for trunk in trunks]) for loss in installed("loss")]
    return INTRODUCTION + numbered(["loss", *(f"`{name}`" for name in trunks)], rows)


def cell(pair: Pair) -> str:
    """What the table says of a pair: :data:`WORKS`, or the first reason why one of its trainings does not."""
    return next((found for one in _added() if (found := outcome(pair, one)) != WORKS), WORKS)
