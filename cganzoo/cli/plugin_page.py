"""``cganzoo plugins NAME``: everything about one component, including the lines that a recipe needs for it."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cganzoo._util.toml import tomllib, written
from cganzoo.console.streams import printable, relative
from cganzoo.errors import PluginError
from cganzoo.recipe import bundled
from cganzoo.registry import KINDS
from cganzoo.registry.discovery import PROJECT
from cganzoo.registry.probe import Inventory

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

GENERATORS = {
    "any": "conditional and unconditional generators",
    "conditional": "conditional generators",
    "unconditional": "unconditional generators",
}
"""What a loss trains, by the conditioning in its specification."""

SCHEDULE = 'A schedule is written { from = 1.0, to = 0.0, curve = "cosine" }.'
ANY_SIZE = 64
"""Image size in the recipe lines of a data set whose images have several sizes."""

LONGEST = 500
"""Characters of a text that are shown; the rest is cut."""

WIDEST_CELL = 30
"""Characters in a line of the name or the default of an option; longer ones take several lines."""

MOST_RECIPES = 6
"""Names of recipes that are listed; the others are counted."""


def select(inventory: Inventory, name: str) -> Inventory:
    """The part of an inventory about a component, called ``name`` or ``distribution/name``, or about a distribution.

    Raises:
        PluginError: nothing has this name; the message suggests similar names or says why the plugin did not load.
    """
    prefix, _, bare = name.rpartition("/")
    distribution = canonicalize_name(prefix)
    found = [
        entry
        for entry in inventory["components"]
        if (entry["component"] == bare and distribution in ("", entry["distribution"]))
        or entry["distribution"] == canonicalize_name(name)
    ]
    if not found:
        raise PluginError(_unknown(inventory, name))
    distributions = {entry["distribution"] for entry in found}
    named = {entry["component"] for entry in found}
    part = {
        key: [entry for entry in value if entry["distribution"] in distributions] if isinstance(value, list) else value
        for key, value in inventory.items()
        if key not in ("components", "clashes", "unloaded")
    }
    clashes = [clash for clash in inventory["clashes"] if clash["name"] in named and clash["what"] in KINDS]
    names = [(entry["kind"], entry["component"]) for entry in inventory["components"]]
    for entry in found:
        unique = entry["distribution"] == PROJECT or names.count((entry["kind"], entry["component"])) == 1
        entry["recipe_lines"] = recipe_lines(entry, entry["component" if unique else "full_name"])
        entry["recipes"] = recipes_with(entry)
    return {**part, "components": found, "clashes": clashes, "unloaded": []}


def recipe_lines(entry: dict[str, Any], name: str) -> str:
    """The lines of a recipe that use the component under ``name``; required options have an example value."""
    lines = []
    if entry["distribution"] != PROJECT:
        lines += ["[requires]", f'plugins = ["{entry["distribution"]}"]', ""]
    argument = f"/<{entry['argument']}>" if entry.get("argument") else ""
    lines += [KINDS[entry["kind"]].heading, f'name = "{name}{argument}"']
    if entry["kind"] == "dataset":
        lines.append(f"image_size = {entry['image_size'] or ANY_SIZE}")
    for option in entry["options"]:
        if option["required"] and option["type"] != "table":
            lines.append(f"{option['name']} = {written(option['example'])}  # yours")
    return "\n".join(lines) + "\n"


def recipes_with(entry: dict[str, Any]) -> list[str]:
    """The bundled recipes that use the component."""
    found = []
    for name, recipe in _bundled_recipes():
        tables: Any = recipe
        for key in KINDS[entry["kind"]].recipe_table.split("."):
            tables = tables.get(key, {})
        chosen = {table.get("name") for table in (tables if isinstance(tables, list) else [tables])}
        if entry.get("argument"):
            chosen = {str(written).rpartition("/")[0] for written in chosen}
        required = {canonicalize_name(Requirement(one).name) for one in recipe.get("requires", {}).get("plugins", ())}
        if chosen & {entry["component"], entry["full_name"]} and entry["distribution"] in {*required, PROJECT}:
            found.append(name)
    return found


@functools.lru_cache(maxsize=1)
def _bundled_recipes() -> list[tuple[str, dict[str, Any]]]:
    paths = {name: bundled.folder() / f"{name}.toml" for name in bundled.names()}
    return [(name, tomllib.loads(path.read_text(encoding="utf-8"))) for name, path in paths.items()]


def show_page(inventory: Inventory, console: Console) -> None:
    """Print everything about each component of ``inventory``."""
    for number, entry in enumerate(inventory["components"]):
        if number:
            console.print()
        console.print(Text(entry["component"], "bold").append(f"  {entry['kind']}", "not bold"))
        console.print(_text(entry["summary"]))
        console.print()
        console.print(_properties(entry))
        console.print()
        if entry["options"]:
            console.print(*_options(entry["options"]), sep="")
            if any("schedule" in option["type"] for option in entry["options"]):
                console.print(Text(SCHEDULE, "dim"))
        else:
            console.print("It has no options.")
        if "outputs" in entry:
            console.print()
            console.print(_outputs(entry["outputs"]))
        console.print("\nIn a recipe:\n")
        for line in entry["recipe_lines"].splitlines():
            console.print(f"    {printable(line)}".rstrip(), markup=False, highlight=False, soft_wrap=True)


def _properties(entry: dict[str, Any]) -> Table:
    table = _table("dim", "")
    table.add_row("from", _text(f"{entry['distribution']} {entry['version']}, {relative(entry['location'])}"))
    for label, text in _properties_of_kind(entry):
        table.add_row(label, _text(text))
    if entry["paper"]:
        table.add_row("paper", _text(entry["link"] or str(entry["paper"])))
    recipes = entry["recipes"]
    more = f" and {len(recipes) - MOST_RECIPES} more" if len(recipes) > MOST_RECIPES else ""
    table.add_row("recipes", _text(", ".join(recipes[:MOST_RECIPES]) + more or "none of the bundled ones"))
    return table


def _properties_of_kind(entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
    kind = entry["kind"]
    if kind == "loss" and entry["trains"]:
        yield (
            "trains",
            _by_options({options: GENERATORS.get(trains, trains) for options, trains in entry["trains"].items()}),
        )
    elif kind == "generator" and entry["is"]:
        yield "is", _by_options(entry["is"])
    elif kind == "metric":
        yield "reference", f"{entry['reference']} split"
    elif kind == "dataset":
        size = f"{entry['image_size']} px" if entry["image_size"] else "several sizes"
        yield "images", f"{size}, {'gray' if entry['channels'] == 1 else 'RGB'}"
        if entry["download"]:
            megabytes = f" ({entry['download']['size'] / 1e6:,.0f} MB)" if entry["download"]["size"] else ""
            yield "download", entry["download"]["url"] + megabytes


def _by_options(values: dict[str, str]) -> str:
    """``conditional generators; unconditional generators with labeling = "dynamic"``."""
    return "; ".join(f"{value} with {options}" if options else value for options, value in values.items())


def _options(options: list[dict[str, Any]]) -> Iterator[RenderableType]:
    """One line for each option with name, default and type, and below it the description."""
    rows = [("option", "default", "type")]
    for option in options:
        default = "required" if option["required"] else "" if option["default"] is None else written(option["default"])
        rows.append((option["name"], default, option["type"]))
    widths = [min(max(len(row[column]) for row in rows), WIDEST_CELL) for column in (0, 1)]
    for number, row in enumerate(rows):
        table = _table(*("bold", "", "") if number else ("bold", "bold", "bold"))
        for column, width in zip(table.columns, widths, strict=False):
            column.width = width
        table.add_row(*map(_text, row))
        yield table
        if number and options[number - 1]["description"]:
            yield Padding(_text(options[number - 1]["description"]), (0, 0, 0, 4))


def _outputs(outputs: list[dict[str, Any]]) -> Table:
    table = _table("bold", "", "")
    table.add_row("reports", *(Text(heading, "bold") for heading in ("better", "what")))
    better = {True: "higher", False: "lower", None: ""}
    for output in outputs:
        table.add_row(*map(_text, (output["name"], better[output["higher_is_better"]], output["summary"])))
    return table


def _table(*styles: str) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for style in styles:
        table.add_column(style=style, overflow="fold")
    return table


def _text(text: str) -> Text:
    """Text of a plugin: without markup, control codes escaped, and cut if it is long."""
    return Text(printable(text if len(text) <= LONGEST else text[:LONGEST] + " ..."))


def _unknown(inventory: Inventory, name: str) -> str:
    """Why nothing has this name, and what to write instead."""
    failures = [
        f"{failure['distribution']} {failure['version']}: {failure['reason']}"
        for failure in inventory["failures"]
        if canonicalize_name(name) in (failure["distribution"], failure["entry_point"])
    ]
    if failures:
        return "; ".join(failures)
    names = {entry[key] for entry in inventory["components"] for key in ("component", "full_name", "distribution")}
    close = difflib.get_close_matches(name.lower(), sorted(names), n=3)
    hint = f"did you mean {' or '.join(map(json.dumps, close))}?" if close else "`cganzoo plugins` lists all"
    return f'there is no component or distribution "{name}"; {hint}'
