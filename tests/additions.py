"""Every loss of the zoo with regularizers and augmentations, a few steps each: the first table of combinations.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any, Literal, get_args, get_origin

from short_runs import STEPS, WORKS, distributions, installed, numbered, started

from cganzoo.config import Config
from cganzoo.registry import Component
from cganzoo.train.engine import Engine

ADDITIONS = {
    "alone": "",
    "r1": '[[regularizers]]\nname = "r1"',
    "diffaugment": '[[augmentations]]\nname = "diffaugment"',
    "cr": '[[regularizers]]\nname = "cr"',
    "all three": '[[regularizers]]\nname = "r1"\n[[regularizers]]\nname = "cr"\n'
    '[[augmentations]]\nname = "diffaugment"',
    "accumulate = 2": "",
}
"""The columns of the page: what is added to a recipe."""

NEEDED = {"regularizer": ("r1", "cr"), "augmentation": ("diffaugment",)}
"""The components that the columns need, by kind."""

NO_CHOICES = {"adversarial"}
"""Options whose values differ in one formula of the score only; the default stands for all."""

RECIPE = """
[requires]
plugins = [{plugins}]
[data]
name = "digits"
image_size = 8
[generator]
name = "dcgan"
latent_dim = 3
width = 4
parametrization = "none"
conditional = {conditional}
[discriminator]
name = "dcgan"
width = 4
parametrization = "none"
extra_conv = true
input_noise = 0.1
dropout = 0.1
[loss]
name = "{loss}"
{options}
[optimizer.generator]
name = "adam"
lr = 0.004
betas = [0.5, 0.999]
[optimizer.discriminator]
name = "adam"
lr = 0.002
betas = [0.5, 0.999]
[train]
steps = 3
batch_size = 8
accumulate = {accumulate}
"""

INTRODUCTION = f"""
## Losses and additions

A test trains each loss for {STEPS} steps, with small networks of the digits recipes and with what the column adds, and
checks that all terms, weights and gradients are finite. A number means that the recipe is refused when it is read; the
reason is below the table. `r1` and `cr` are regularizers, `diffaugment` is an augmentation, and `accumulate` is a key
of `[train]`: see [the keys of a recipe](recipe.md). All flags and what they exclude:
[what a loss may rely on](what-a-loss-may-rely-on.md).
"""


@dataclass(frozen=True, eq=False)
class Choice:
    """A loss with a choice of its options."""

    loss: Component
    options: tuple[tuple[str, str], ...] = ()

    @property
    def config(self) -> Config:
        """The options with their defaults."""
        config: Config = self.loss.spec.config(**dict(self.options))
        return config

    def __str__(self) -> str:
        return " ".join([self.loss.name, *(f"{name}={value}" for name, value in self.options)])


@cache
def choices() -> list[Choice]:
    """Every installed loss with its defaults, and with each other value of the options that name a choice."""
    return [choice for loss in installed("loss") for choice in _choices(loss)]


def _choices(loss: Component) -> Iterator[Choice]:
    yield Choice(loss)
    for name, field in loss.spec.config.model_fields.items():
        if name not in NO_CHOICES:
            for value in _values(field.annotation):
                if value != field.default:
                    yield Choice(loss, ((name, value),))


def _values(annotation: Any) -> Iterator[str]:
    """The names that an option of this type chooses from, if it is one of these."""
    if get_origin(annotation) is Literal:
        yield from (value for value in get_args(annotation) if isinstance(value, str))
    else:
        for part in get_args(annotation):
            yield from _values(part)


def missing() -> list[str]:
    """The components that a column needs and no installed plugin provides."""
    return [
        name for kind, names in NEEDED.items() for name in names if name not in {one.name for one in installed(kind)}
    ]


def additions() -> list[str]:
    """The columns whose components are installed."""
    return [name for name, table in ADDITIONS.items() if not any(f'"{one}"' in table for one in missing())]


def recipe(choice: Choice, addition: str) -> str:
    """The text of the recipe of a combination."""
    used = {(choice.loss.kind, choice.loss.name), ("generator", "dcgan")}
    used |= {(kind, name) for kind, names in NEEDED.items() for name in names if f'"{name}"' in ADDITIONS[addition]}
    conditioning = choice.loss.spec.conditioning(choice.config)
    return (
        RECIPE.format(
            plugins=distributions(used),
            conditional=str(conditioning != "unconditional").lower(),
            loss=choice.loss.name,
            options="\n".join(f'{name} = "{value}"' for name, value in choice.options),
            accumulate=2 if addition == "accumulate = 2" else 1,
        )
        + ADDITIONS[addition]
    )


@cache
def outcome(choice: Choice, addition: str) -> tuple[str, Engine | None]:
    """Train for a few steps: :data:`WORKS` and the engine after them, or why the recipe is refused, and nothing."""
    result = started(recipe(choice, addition))
    if isinstance(result, str):
        return result, None
    for _ in range(STEPS):
        result.advance()
    result.check_finite()
    return WORKS, result


def section() -> str:
    """The first table of docs/combinations.md."""
    columns = additions()
    outcomes = {(choice, one): outcome(choice, one)[0] for choice in choices() for one in columns}
    return INTRODUCTION + numbered(["loss", *map(_shown, columns)], list(_rows(outcomes, columns)))


def _shown(addition: str) -> str:
    return addition if addition in ("alone", "all three") else f"`{addition}`"


def _rows(outcomes: Mapping[tuple[Choice, str], str], columns: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Losses with their cells; choices of a loss that give the same cells share a row."""
    rows = {choice: tuple(outcomes[choice, column] for column in columns) for choice, _ in outcomes}
    for loss, some in groupby(rows, key=lambda choice: choice.loss.name):
        by_cells: dict[tuple[str, ...], list[Choice]] = {}
        for choice in some:
            by_cells.setdefault(rows[choice], []).append(choice)
        for cells, same in by_cells.items():
            yield f"`{loss}`" + (f" {_described(same)}" if len(by_cells) > 1 else ""), cells


def _described(some: Iterable[Choice]) -> str:
    """The options that these choices have."""
    values: dict[str, list[str]] = {}
    default = False
    for choice in some:
        default = default or not choice.options
        for name, value in choice.options:
            values.setdefault(name, []).append(value)
    named = [f"`{name}` {', '.join(chosen)}" for name, chosen in values.items()]
    return "; ".join([*(["with its defaults"] if default else []), *named])
