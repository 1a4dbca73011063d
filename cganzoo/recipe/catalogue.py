"""What the bundled recipes are, for `cganzoo recipes`: data set, size, and whether the generator takes a class."""

from __future__ import annotations

from dataclasses import dataclass

from cganzoo.errors import CganzooError
from cganzoo.registry import Registry, load_plugins
from cganzoo.registry.discovery import installed, select

from . import bundled
from .read import Recipe, load_recipe
from .resolve import takes_class


@dataclass(frozen=True)
class Entry:
    """A bundled recipe.

    Attributes:
        takes_class: whether its generator gets a class; ``None`` if the generator's plugin is not installed.
        size: side of the images in pixels.
    """

    name: str
    summary: str
    data: str
    size: int
    takes_class: bool | None


def entries() -> list[Entry]:
    """The bundled recipes, sorted by name. Imports the plugins that they require, as far as they are installed."""
    recipes = [load_recipe(name) for name in bundled.names()]
    registry = _registry(recipes)
    return [_entry(recipe, registry) for recipe in recipes]


def _registry(recipes: list[Recipe]) -> Registry | None:
    providers = installed()
    wanted: set[str] = set()
    for requirement in {one for recipe in recipes for one in recipe.sections.requires.plugins}:
        try:
            wanted |= select([requirement], providers, "recipes")
        except CganzooError:  # not installed, or not in that version
            continue
    try:
        return load_plugins(sorted(wanted))
    except CganzooError:  # `cganzoo plugins` shows what is wrong
        return None


def _entry(recipe: Recipe, registry: Registry | None) -> Entry:
    data = recipe.sections.data
    try:
        known = None if registry is None else takes_class(recipe, registry)
    except CganzooError:
        known = None
    summary = bundled.summary(bundled.folder() / f"{recipe.name}.toml")
    return Entry(recipe.name, summary, data.name, data.image_size, known)
