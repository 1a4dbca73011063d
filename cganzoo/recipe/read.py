"""A recipe: the TOML file with every number of a run, read and checked before any slow import.

:func:`load_recipe` reads a file, applies overrides and checks the keys that the host defines. Then
:mod:`cganzoo.recipe.resolve` looks up the component names among the installed plugins and checks their options.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import ValidationError

from cganzoo._util.install import install_command
from cganzoo._util.text import one_line
from cganzoo._version import __version__
from cganzoo.errors import RecipeError
from cganzoo.specs import DataTable

from . import bundled
from .keys import ALL_SECTIONS, Requires, Sections
from .messages import explain, place
from .overrides import Texts, parse_with_texts, set_value
from .source import parse_toml, read_text

LONGEST_SOURCE = 200
"""Characters of a file's name in messages."""


@dataclass(frozen=True)
class Recipe:
    """A recipe that was read.

    Attributes:
        name: the file's name without its ending; the folder of its runs is named after it.
        source: its name in messages.
        overrides: dotted keys that ``--set`` changed, for messages.
        filled_in: distributions that :mod:`cganzoo.recipe.requires` added to ``[requires] plugins``.
        texts: what ``--set`` wrote for values that are no text in TOML, for options that take text.
    """

    name: str
    source: str
    sections: Sections
    overrides: frozenset[str] = frozenset()
    filled_in: tuple[str, ...] = ()
    texts: Texts = field(default_factory=dict, repr=False, compare=False)

    def place(self, *keys: str | int) -> str:
        """How a message names a key: the file and the key, or ``--set`` if the command line gave the value."""
        return place(self.source, keys, self.overrides)


def load_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe file, or a bundled recipe by name, and apply ``key.path=value`` overrides."""
    file = bundled.find(path)
    if file.stem in (".", ".."):  # the folder of the runs is named after the recipe
        raise RecipeError(f'{one_line(str(path), 200)}: a recipe cannot be called "{file.stem}"; rename the file')
    return parse_recipe(read_text(file, str(path)), name=file.stem, source=str(path), overrides=overrides)


def parse_recipe(text: str, *, name: str, source: str, overrides: Iterable[str] = ()) -> Recipe:
    """Like :func:`load_recipe`, for a recipe's text."""
    source = one_line(source, LONGEST_SOURCE)
    values = parse_toml(text, source)
    if "methods" in values:
        raise RecipeError(f"{source}: is a group of recipes; run it with `cganzoo compare {source}`")
    texts: Texts = {}
    changed = frozenset(set_value(values, override, texts) for override in overrides)
    try:
        sections = parse_with_texts(ALL_SECTIONS, values, texts)
    except ValidationError as error:
        raise RecipeError(explain(error, (ALL_SECTIONS,), values, source, changed)) from error
    _check_host(sections.requires, place(source, ("requires", "cganzoo"), changed))
    return Recipe(name=name, source=source, sections=sections, overrides=changed, texts=texts)


def dataset_recipe(name: str, overrides: Iterable[str] = (), image_size: int | None = None) -> Recipe:
    """A recipe that has only the section ``data``: enough to pack and show the data set of this name.

    ``overrides`` are ``data.key=value``; ``image_size`` is used if none of them gives it.
    """
    source = f'data set "{name}"'
    values: dict[str, Any] = {"data": {"name": name} | ({} if image_size is None else {"image_size": image_size})}
    texts: Texts = {}
    changed = frozenset(set_value(values, override, texts) for override in overrides)
    others = sorted(set(values) - {"data"})
    if others:
        raise RecipeError(
            f"--set {one_line(others[0])}: is not an option of a data set; write a key of data, like data.root"
        )
    try:
        sections: dict[str, Any] = {"data": parse_with_texts(DataTable, values["data"], texts, ("data",))}
    except ValidationError as error:
        raise RecipeError(explain(error, (DataTable,), values["data"], source, changed, prefix=("data",))) from error
    return Recipe(
        name=name,
        source=source,
        sections=ALL_SECTIONS.model_construct(**sections),
        overrides=changed,
        texts=texts,
    )


def _check_host(requires: Requires, where: str) -> None:
    try:
        wanted = SpecifierSet(requires.cganzoo)
    except InvalidSpecifier as error:
        raise RecipeError(
            f'{where}: "{one_line(requires.cganzoo)}" is not a version range; write one like ">=0.1,<0.2"'
        ) from error
    if not wanted.contains(__version__, prereleases=True):
        shown = one_line(requires.cganzoo)
        quoted = f'"cganzoo{shown}"'
        raise RecipeError(
            f"{where}: needs cganzoo {shown}, but {__version__} is installed; "
            f"install that version: {install_command(quoted)}"
        )
