"""A mistake in a table inside a component's table is named there, however the component checks that table."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field, model_validator

from cganzoo import Config, DiscriminatorSpec
from cganzoo.config import parse
from cganzoo.errors import RecipeError
from cganzoo.recipe.read import parse_recipe
from cganzoo.recipe.resolve import Resolved, resolve
from cganzoo.registry import Component, Plugin, Registry, load_plugins

MESSAGE = '--set discriminator.trunk.widht: unknown key; did you mean "width"?'
CHANGE = "discriminator={name='wrapped', trunk={name='dcgan', widht=3}}"


class Inner(Config):
    name: str = "dcgan"
    width: int = Field(4, ge=1)


class Direct(Config):
    trunk: Inner


class Either(Config):
    trunk: int | Inner


class Many(Config):
    trunks: tuple[Inner, ...]


class Validated(Config):
    trunk: dict[str, Any]

    @model_validator(mode="after")
    def _check(self) -> Validated:
        parse(Inner, self.trunk)
        return self


class Late(Config):
    trunk: dict[str, Any]


def build(config: Any, context: Any) -> Any:
    return parse(Inner, config.trunk)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins(["cganzoo-amgan", "cganzoo-dcgan"])


def resolved(registry: Registry, config: type[Config], text: str, *overrides: str) -> Resolved:
    provider = registry.plugins[0].provider
    spec: DiscriminatorSpec[Any] = DiscriminatorSpec(name="wrapped", summary="A trunk", config=config, build=build)
    component = Component(kind="discriminator", spec=spec, provider=provider)
    extra = Plugin(provider=provider, components=(component,), failures=(), seconds=0, imported_torch=False)
    recipe = parse_recipe(text, name="t", source="t.toml", overrides=overrides)
    return resolve(recipe, Registry((*registry.plugins, extra)))


@pytest.mark.parametrize("config", [Direct, Either, Validated])
def test_a_mistake_is_named_with_the_inner_key(config: type[Config], registry: Registry, tiny: str) -> None:
    with pytest.raises(RecipeError) as caught:
        resolved(registry, config, tiny, CHANGE)
    assert str(caught.value).splitlines()[0].startswith("--set discriminator.trunk.widht: unknown key; ")
    changed = ("discriminator.name=wrapped", "discriminator.trunk.width=0")
    with pytest.raises(RecipeError) as caught:
        resolved(
            registry,
            config,
            tiny.replace("[loss]", "[loss]").replace('name = "dcgan"\nwidth = 4\n[loss]', 'name = "dcgan"\n[loss]'),
            *changed,
        )
    assert "--set discriminator.trunk.width: 0 does not fit: input should be greater than" in str(caught.value)


def test_a_known_table_gives_a_suggestion(registry: Registry, tiny: str) -> None:
    with pytest.raises(RecipeError) as caught:
        resolved(registry, Direct, tiny, CHANGE)
    assert str(caught.value) == MESSAGE


def test_a_mistake_in_one_of_several_tables(registry: Registry, tiny: str) -> None:
    with pytest.raises(RecipeError) as caught:
        resolved(registry, Many, tiny, "discriminator={name='wrapped', trunks=[{}, {widht=3}]}")
    assert str(caught.value).startswith("--set discriminator.trunks.1.widht: unknown key")


def test_a_table_that_is_checked_when_the_component_is_built(registry: Registry, tiny: str) -> None:
    found = resolved(registry, Late, tiny, CHANGE)
    with pytest.raises(RecipeError) as caught:
        found.discriminator.create(None)
    assert str(caught.value).startswith("--set discriminator.trunk.widht: unknown key; ")


def test_a_mistake_in_the_file_is_named_with_the_file(registry: Registry, tiny: str) -> None:
    text = tiny.replace(
        '[discriminator]\nname = "dcgan"\nwidth = 4', '[discriminator]\nname = "wrapped"\ntrunk = {x = 1}'
    )
    with pytest.raises(RecipeError) as caught:
        resolved(registry, Validated, text)
    assert str(caught.value).startswith("t.toml: discriminator.trunk.x: unknown key; ")
