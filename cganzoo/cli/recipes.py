"""``cganzoo recipes``: list the bundled recipes, or copy one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    from rich.table import Table

    blocks: dict[str, list[str]] = {}
    for name in bundled.names():
        blocks.setdefault(name.rpartition("_")[2], []).append(name)  # <method>_<data set>
    blocks["groups, for `cganzoo compare`"] = bundled.groups()
    table = Table(box=None, pad_edge=False, expand=True)
    longest = max(len(name) for names in blocks.values() for name in names)
    table.add_column("recipe", style="bold", width=longest)  # the other column is shortened to fit the line
    table.add_column("what", no_wrap=True, overflow="ellipsis", ratio=1)
    for names in filter(None, blocks.values()):
        if table.row_count:
            table.add_row()
        for name in names:
            table.add_row(name, bundled.summary(bundled.folder() / f"{name}.toml"))
    stdout_console().print(table)


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
