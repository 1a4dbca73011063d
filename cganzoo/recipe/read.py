"""A recipe: the TOML file with every number of a run, read and checked before any slow import.

:func:`load_recipe` reads a file, applies overrides and checks the keys that the host defines. Then
:mod:`cganzoo.recipe.resolve` looks up the component names among the installed plugins and checks their options.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import ValidationError

from cganzoo._util.install import install_command
from cganzoo._util.toml import tomllib
from cganzoo._version import __version__
from cganzoo.config import parse
from cganzoo.errors import RecipeError
from cganzoo.specs import DataTable

from . import bundled
from .keys import ALL_SECTIONS, Requires, Sections
from .messages import explain, place


@dataclass(frozen=True)
class Recipe:
    """A recipe that was read.

    Attributes:
        name: the file's name without its ending; the folder of its runs is named after it.
        source: its name in messages.
        overrides: dotted keys that ``--set`` changed, for messages.
    """

    name: str
    source: str
    sections: Sections
    overrides: frozenset[str] = frozenset()

    def place(self, *keys: str | int) -> str:
        """How a message names a key: the file and the key, or ``--set`` if the command line gave the value."""
        return place(self.source, keys, self.overrides)


def load_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe file, or a bundled recipe by name, and apply ``key.path=value`` overrides."""
    file = bundled.find(path)
    try:
        text = file.read_text(encoding="utf-8-sig")  # editors on Windows may write a byte-order mark
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as a recipe: {error}") from error
    return parse_recipe(text, name=file.stem, source=str(path), overrides=overrides)


def parse_recipe(text: str, *, name: str, source: str, overrides: Iterable[str] = ()) -> Recipe:
    """Like :func:`load_recipe`, for a recipe's text."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{source}: is not valid TOML: {error}") from error
    if "methods" in values:
        raise RecipeError(f"{source}: is a group of recipes; run it with `cganzoo compare {source}`")
    changed = frozenset(set_value(values, override) for override in overrides)
    try:
        sections = parse(ALL_SECTIONS, values)
    except ValidationError as error:
        raise RecipeError(explain(error, (ALL_SECTIONS,), values, source, changed)) from error
    _check_host(sections.requires, place(source, ("requires", "cganzoo"), changed))
    return Recipe(name=name, source=source, sections=sections, overrides=changed)


def dataset_recipe(name: str, overrides: Iterable[str] = (), image_size: int | None = None) -> Recipe:
    """A recipe that has only the section ``data``: enough to pack and show the data set of this name.

    ``overrides`` are ``data.key=value``; ``image_size`` is used if none of them gives it.
    """
    source = f'data set "{name}"'
    values: dict[str, Any] = {"data": {"name": name} | ({} if image_size is None else {"image_size": image_size})}
    changed = frozenset(set_value(values, override) for override in overrides)
    others = sorted(set(values) - {"data"})
    if others:
        raise RecipeError(f"--set {others[0]}: is not an option of a data set; write a key of data, like data.root")
    try:
        sections: dict[str, Any] = {"data": parse(DataTable, values["data"])}
    except ValidationError as error:
        raise RecipeError(explain(error, (DataTable,), values["data"], source, changed, prefix=("data",))) from error
    return Recipe(name=name, source=source, sections=ALL_SECTIONS.model_construct(**sections), overrides=changed)


def _check_host(requires: Requires, where: str) -> None:
    try:
        wanted = SpecifierSet(requires.cganzoo)
    except InvalidSpecifier as error:
        raise RecipeError(
            f'{where}: "{requires.cganzoo}" is not a version range; write one like ">=0.1,<0.2"'
        ) from error
    if not wanted.contains(__version__, prereleases=True):
        quoted = f'"cganzoo{requires.cganzoo}"'
        raise RecipeError(
            f"{where}: needs cganzoo {requires.cganzoo}, but {__version__} is installed; "
            f"install that version: {install_command(quoted)}"
        )


def set_value(values: dict[str, Any], override: str) -> str:
    """Set one ``key.path=value`` in ``values``. Returns the path to the part that is new, for messages."""
    path, equals, text = override.partition("=")
    keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys) or not text.strip():
        raise RecipeError(f'--set {override}: write it as section.key=value, like "--set train.steps=200"')
    value = _value(text.strip(), override)
    node: Any = values
    new_from = len(keys)
    for depth, name in enumerate(keys):
        if not isinstance(node, (dict, list)):
            raise RecipeError(f"--set {override}: {'.'.join(keys[:depth])} is a single value, not a section")
        key: Any = _index(node, name, override) if isinstance(node, list) else name
        if isinstance(node, dict) and key not in node:
            new_from = min(new_from, depth + 1)
            node[key] = {}
        if depth == len(keys) - 1:
            node[key] = value
        node = node[key]
    return ".".join(keys[:new_from])


def _value(text: str, override: str) -> Any:
    """A value in TOML, or a text without quotes: ``data.root=/a/b``."""
    try:
        value = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError as error:
        if text[0] in "\"'[{":
            raise RecipeError(f"--set {override}: the value is not valid TOML: {error}") from error
        return text
    return value["value"] if len(value) == 1 else text  # the text has a second line with a second key


def _index(node: list[Any], key: str, override: str) -> int:
    if not key.isdecimal() or int(key) >= len(node):
        positions = f"one of the positions 0 to {len(node) - 1}" if node else "a position: the list is empty"
        raise RecipeError(f"--set {override}: {key} is not {positions}")
    return int(key)
