"""``[requires] plugins``: loading what a recipe requires, and filling in what its names need in addition.

A name that neither the host nor a required distribution provides is looked up among the installed plugins. They are
loaded in a child process for that, so that only the one that provides the name gets into this process. If several
provide it, the recipe must say which one: an installed plugin never takes a name over in silence.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from cganzoo._util.install import install_command
from cganzoo._util.text import listed, one_line
from cganzoo.errors import CganzooError, PluginError
from cganzoo.registry import ALLOW_LIST, Provider, Registry, load_plugins
from cganzoo.registry.discovery import installed, zoo
from cganzoo.registry.kinds import KINDS, Kind
from cganzoo.registry.probe import Inventory, inspect, load_survivors

from . import bundled
from .messages import from_command_line
from .read import Recipe, load_recipe


@dataclass(frozen=True)
class _Wanted:
    """A component that a recipe names, and the keys of its table."""

    kind: str
    name: str
    keys: tuple[str | int, ...]


def load_required(recipe: Recipe, kinds: Iterable[Kind] = KINDS.values()) -> tuple[Recipe, Registry]:
    """Import what the recipe requires, and what provides the other names in its tables of these kinds.

    Returns the recipe with a complete ``[requires] plugins``, and the registry.

    Raises:
        PluginError: nothing installed provides a name, or more than one distribution does.
    """
    required = recipe.sections.requires.plugins
    registry = _load(recipe, required)
    added = _providers(recipe, registry, [one for one in _all_wanted(recipe, kinds) if not _has(registry, one)])
    if not added:
        return recipe, registry
    plugins = (*required, *added)
    requires = recipe.sections.requires.model_copy(update={"plugins": plugins})
    filled = replace(recipe, sections=recipe.sections.model_copy(update={"requires": requires}), filled_in=added)
    return filled, _load(filled, plugins)


def _load(recipe: Recipe, plugins: Iterable[str]) -> Registry:
    try:
        return load_plugins(plugins)
    except PluginError as error:
        changed = from_command_line([recipe.place("requires", "plugins")])
        text = str(error).removeprefix("[requires] plugins: ") if changed else error
        raise PluginError(f"{changed or recipe.source}: {text}") from error


def _all_wanted(recipe: Recipe, kinds: Iterable[Kind]) -> Iterator[_Wanted]:
    for kind in kinds:
        keys = kind.recipe_table.split(".")
        for index, table in enumerate(recipe.sections.tables(kind)):
            yield _Wanted(kind.name, table.name, (*keys, *([index] if kind.many else [])))


def _has(registry: Registry, wanted: _Wanted) -> bool:
    return registry.provides(wanted.kind, wanted.name)


def _providers(recipe: Recipe, registry: Registry, missing: list[_Wanted]) -> tuple[str, ...]:
    """The installed distributions that provide the names, sorted."""
    here = {provider.distribution for provider in registry.unloaded}
    added: set[str] = set()
    for wanted in missing:
        prefix = canonicalize_name(wanted.name.partition("/")[0]) if "/" in wanted.name else ""
        if prefix in here:  # "distribution/name" says which one
            added.add(prefix)
            continue
        inventory = _inventory_for(recipe, wanted)
        found = {entry["distribution"]: entry for entry in inventory["components"] if _is_called(entry, wanted)}
        if len(found) > 1:
            raise PluginError(_several(recipe, wanted, list(found.values())))
        if not found:
            _raise_unknown(recipe, wanted, inventory)
        added |= found.keys()
    return tuple(sorted(added))


def _inventory_for(recipe: Recipe, wanted: _Wanted) -> Inventory:
    try:
        return _inventory(tuple(installed()), os.environ.get(ALLOW_LIST))
    except PluginError as error:
        where = recipe.place(*wanted.keys, "name")
        reason = f'no required plugin provides the {KINDS[wanted.kind].title} "{one_line(wanted.name)}"'
        raise PluginError(f"{where}: {reason}, and others cannot be listed: {error}") from error


@functools.lru_cache(maxsize=1)
def _inventory(installed_plugins: tuple[Provider, ...], allowed: str | None) -> Inventory:
    """What the installed plugins provide: once a process, because `cganzoo compare` reads many recipes."""
    return inspect()


def _is_called(entry: dict[str, Any], wanted: _Wanted) -> bool:
    """Whether a recipe means this component of the inventory by the name."""
    name = wanted.name.rpartition("/")[0] if entry.get("argument") else wanted.name
    return (entry["kind"], entry["component"]) == (wanted.kind, name)


def _several(recipe: Recipe, wanted: _Wanted, entries: list[dict[str, Any]]) -> str:
    where = recipe.place(*wanted.keys, "name")
    providers = listed((f"{entry['distribution']} {entry['version']}" for entry in entries), "and")
    choices = listed(f'"{entry["distribution"]}"' for entry in entries)
    what = f'{KINDS[wanted.kind].title} "{wanted.name}"'
    return f"{where}: {providers} each provide a {what}; add {choices} to [requires] plugins"


def _raise_unknown(recipe: Recipe, wanted: _Wanted, inventory: Inventory) -> None:
    """Raise the error for a name that nothing installed provides: the registry with all plugins knows the most."""
    where = recipe.place(*wanted.keys, "name")
    try:
        load_survivors(inventory).named(wanted.kind, wanted.name, _hint(wanted))
    except PluginError as error:
        raise PluginError(f"{where}: {error}") from error
    raise PluginError(f'{where}: the plugin that provides "{one_line(wanted.name)}" loads only sometimes')


def _hint(wanted: _Wanted) -> str:
    """``pip install ...`` for a component of a first-party plugin that is not installed, as bundled recipes tell it."""
    here = {provider.distribution for provider in installed()}
    absent: set[str] = set()
    for name in bundled.names():
        try:
            recipe = load_recipe(name)
            if any(table.name == wanted.name for table in recipe.sections.tables(KINDS[wanted.kind])):
                absent |= {canonicalize_name(Requirement(one).name) for one in recipe.sections.requires.plugins} - here
        except (CganzooError, InvalidRequirement):  # a copy that somebody put there
            continue
    return install_command(" ".join(sorted(absent & zoo()))) if absent & zoo() else ""
