"""Which values identify a run, and which do not: places, later keys, bookkeeping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import pytest
from pydantic import Field

from cganzoo import Config
from cganzoo.config import Since, parse
from cganzoo.recipe.digests import drop_later_defaults
from cganzoo.recipe.keys import plain
from cganzoo.recipe.resolve import Resolved

Resolver = Callable[..., Resolved]


class Inner(Config):
    flips: Annotated[bool, Since("0.2")] = Field(False, description="Later.")
    kept: bool = Field(False, description="Of 0.1.")


class Outer(Config):
    start: Annotated[int, Since("0.2")] = Field(3, alias="from", description="Later, with another name in recipes.")
    one: Inner = Inner()
    several: tuple[Inner, ...] = ()
    maybe: Inner | None = None


@pytest.mark.parametrize(
    ("values", "left"),
    [
        ({"from": 3, "one": {"flips": False, "kept": False}}, {"one": {"kept": False}}),
        ({"from": 4, "one": {"flips": True}}, {"from": 4, "one": {"flips": True}}),
        ({"several": [{"flips": False}, {"flips": True}], "maybe": {"flips": False}},
         {"several": [{}, {"flips": True}], "maybe": {}}),
    ],
)  # fmt: skip
def test_a_later_key_at_its_default_is_left_out(values: dict[str, object], left: dict[str, object]) -> None:
    drop_later_defaults(Outer, values)
    assert values == left


def with_loss_options(resolved: Resolved, model: type[Config], **options: object) -> Resolved:
    """The same recipe, as if the loss's plugin had these options."""
    loss = resolved.loss
    config = parse(model, {**plain(loss.config), **options})
    chosen = replace(loss, spec=replace(loss.spec, config=model), config=config)
    return replace(resolved, components={**resolved.components, "loss": (chosen,)})


def test_a_component_may_get_an_option_and_old_runs_keep_their_digest(resolved: Resolver) -> None:
    recipe = resolved()

    class Later(type(recipe.loss.config)):  # type: ignore[misc]
        margin: Annotated[float, Since("0.2")] = Field(0.5, description="Later.")

    same, other = with_loss_options(recipe, Later), with_loss_options(recipe, Later, margin=0.75)
    assert same.values()["loss"]["margin"] == 0.5
    assert same.recipe_digest() == recipe.recipe_digest()
    assert same.training_digest() == recipe.training_digest()
    assert other.training_digest() != recipe.training_digest()
    assert same.identity(recipe.values()) == same.identity()


def test_the_place_of_the_images_is_not_what_a_run_is(resolved: Resolver) -> None:
    folders = [resolved(f"data={{name='folder', image_size=8, root='{root}'}}") for root in ("/a", "b/c.zip")]
    assert len({one.recipe_digest() for one in folders}) == 1
    assert len({one.training_digest() for one in folders}) == 1
    assert folders[0].values() != folders[1].values()


def test_a_set_without_a_place_has_the_digest_of_its_default(resolved: Resolver) -> None:
    archives = [
        resolved("data={name='cifar10', image_size=32}"),
        resolved("data={name='cifar10', image_size=32, download=true, root='/a'}"),
    ]
    assert len({one.recipe_digest() for one in archives}) == 1
    kept = archives[1].identity()["data"]
    assert kept == {"name": "cifar10", "image_size": 32, "channels": 3, "download": False}, "as in cganzoo 0.1"
