"""``cganzoo recipes``: list the bundled recipes, or copy one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cganzoo.console.streams import print_line, stdout_console
from cganzoo.errors import RecipeError
from cganzoo.recipe import bundled

recipes_app = typer.Typer(help="List the recipes that come with the zoo, or copy one.", invoke_without_command=True)


@recipes_app.callback()
def show_recipes(context: typer.Context) -> None:
    """List the recipes that come with the zoo, or copy one."""
    if context.invoked_subcommand is not None:
        return
    from cganzoo.console.tables import ONE_LINE, print_table
    from cganzoo.recipe.catalogue import entries

    blocks: dict[str, list[list[str]]] = {}
    for entry in entries():
        takes_class = {True: "yes", False: "no", None: "?"}[entry.takes_class]
        cells = [entry.name, takes_class, entry.data, f"{entry.size} px", entry.summary]
        blocks.setdefault(f"{entry.data}, {entry.size} px", []).append(cells)
    blocks["groups, for `cganzoo compare`"] = [
        [name, "", "", "", bundled.summary(bundled.folder() / f"{name}.toml")] for name in bundled.groups()
    ]
    console = stdout_console()
    headings = ["recipe", "takes a class", "data set", "size", "what"]
    rows = [row for block, listed in blocks.items() if listed for row in ([block], *listed)]
    columns: list[dict[str, Any]] = [{"style": "bold", **ONE_LINE}, {}, {"ratio": 1, **ONE_LINE}]
    if console.is_terminal:  # the block names the data set and the size; the last column is cut to fit the line
        columns[0]["width"] = max(len(row[0]) for row in rows)
        headings = [headings[0], "class", headings[-1]]
        rows = [[row[0], row[1], row[-1]] if len(row) > 1 else row for row in rows]
    else:
        columns = [{}] * len(headings)
    print_table(console, headings, rows, columns)
    if console.is_terminal:
        console.print("\nclass: whether the generator takes a class, so that you can draw images of one", style="dim")


@recipes_app.command("copy")
def copy_recipe(
    name: Annotated[str, typer.Argument(help="Name of a recipe in the list of `cganzoo recipes`.")],
    to: Annotated[Path, typer.Argument(help="File or folder to copy to.")] = Path(),
) -> None:
    """Copy a recipe, to change it."""
    original = bundled.find_bundled(name)
    target = to / original.name if to.is_dir() else to
    if target.exists():
        raise RecipeError(f"{target}: exists already; name another file")
    target.write_bytes(original.read_bytes())
    print_line(f"recipe: {target}")
