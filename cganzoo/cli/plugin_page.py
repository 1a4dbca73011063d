"""``cganzoo plugins NAME``: everything about one component, including the lines that a recipe needs for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cganzoo._util.text import shortened
from cganzoo._util.toml import written
from cganzoo.console.streams import printable, relative
from cganzoo.recipe import bundled
from cganzoo.recipe.read import Recipe, load_recipe
from cganzoo.registry import KINDS
from cganzoo.registry.discovery import PROJECT
from cganzoo.registry.probe import Inventory, find

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

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
    """The part of an inventory that is about what :func:`find` finds, with the lines and the recipes that use it."""
    found = find(inventory, name)
    recipes = list(map(load_recipe, bundled.names()))
    names = Counter((entry["kind"], entry["component"]) for entry in inventory["components"])
    for entry in found:
        unique = entry["distribution"] == PROJECT or names[entry["kind"], entry["component"]] == 1
        entry["recipe_lines"] = _recipe_lines(entry, entry["component" if unique else "full_name"])
        entry["recipes"] = [recipe.name for recipe in recipes if _uses(recipe, entry)]
    distributions = {entry["distribution"] for entry in found}
    part = {
        key: [entry for entry in inventory[key] if entry["distribution"] in distributions]
        for key in ("plugins", "notes", "failures")
    }
    shown = {(entry["kind"], entry["component"]) for entry in found}
    clashes = [clash for clash in inventory["clashes"] if (clash["what"], clash["name"]) in shown]
    return {**inventory, **part, "components": found, "clashes": clashes, "unloaded": []}


def _recipe_lines(entry: dict[str, Any], name: str) -> str:
    """The lines of a recipe that use the component under ``name``; required options have an example value."""
    lines = []
    if entry["distribution"] != PROJECT:
        lines += ["[requires]", f'plugins = ["{entry["distribution"]}"]', ""]
    argument = f"/<{entry['argument']}>" if entry.get("argument") else ""
    lines += [KINDS[entry["kind"]].heading, f'name = "{name}{argument}"']
    if entry["kind"] == "dataset":
        lines.append(f"image_size = {entry['image_size'] or ANY_SIZE}")
    elif entry["kind"] == "regularizer":  # a recipe should show how strong it is
        lines.append(f"weight = {written(float(entry['weight']))}")
        lines += [f"every = {entry['every']}"] if entry["every"] > 1 else []
    for option in entry["options"]:
        if option["required"] and option["type"] != "table":
            lines.append(f"{option['name']} = {written(option['example'])}  # yours")
    return "\n".join(lines) + "\n"


def _uses(recipe: Recipe, entry: dict[str, Any]) -> bool:
    """Whether a recipe uses the component."""
    chosen = {table.name for table in recipe.sections.tables(KINDS[entry["kind"]])}
    if entry.get("argument"):
        chosen = {name.rpartition("/")[0] for name in chosen}
    required = {canonicalize_name(Requirement(one).name) for one in recipe.sections.requires.plugins}
    return bool(chosen & {entry["component"], entry["full_name"]}) and entry["distribution"] in {*required, PROJECT}


def show_page(inventory: Inventory, console: Console) -> None:
    """Print everything about each component of ``inventory``."""
    for number, entry in enumerate(inventory["components"]):
        if number:
            console.print()
        console.print(Text(entry["component"], "bold").append(f"  {entry['kind']}", "not bold"))
        console.print(_text(entry["summary"]))
        console.print()
        properties = _table("dim", "")
        for label, text in _properties(entry):
            properties.add_row(label, _text(text))
        console.print(properties)
        console.print()
        console.print(*(_options(entry["options"]) if entry["options"] else ["It has no options."]), sep="")
        if entry["host_options"]:
            console.print(f"\nEvery {KINDS[entry['kind']].title} has:\n", highlight=False)
            console.print(*_options(entry["host_options"]), sep="")
        if any("schedule" in option["type"] for option in (*entry["options"], *entry["host_options"])):
            console.print(Text(SCHEDULE, "dim"))
        if "outputs" in entry:
            console.print()
            console.print(_outputs(entry["outputs"]))
        console.print("\nIn a recipe:\n")
        for line in entry["recipe_lines"].splitlines():
            console.print(f"    {printable(line)}".rstrip(), markup=False, highlight=False, soft_wrap=True)


def _properties(entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Labels and texts."""
    yield "from", f"{entry['distribution']} {entry['version']}, {relative(entry['location'])}"
    kind = entry["kind"]
    if kind == "loss" and entry["trains"]:
        trained = {"any": "conditional and unconditional generators"}
        yield (
            "trains",
            _by_options({key: trained.get(one, f"{one} generators") for key, one in entry["trains"].items()}),
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
    if entry["paper"]:
        yield "paper", entry["link"] or str(entry["paper"])
    recipes = entry["recipes"]
    more = f" and {len(recipes) - MOST_RECIPES} more" if len(recipes) > MOST_RECIPES else ""
    yield "recipes", ", ".join(recipes[:MOST_RECIPES]) + more or "none of the bundled ones"


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
            yield Padding(_text(options[number - 1]["description"]), (0, 0, 0, 4), expand=False)


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
    return Text(printable(shortened(text, LONGEST)))
