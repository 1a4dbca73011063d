"""``cganzoo plugins``: what is installed, where it comes from, and what is wrong with what did not load."""

from __future__ import annotations

import importlib
import json
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cganzoo.console.streams import escaped, printable, relative, stderr_console, stdout_console
from cganzoo.registry.probe import Inventory, inspect

if TYPE_CHECKING:
    from rich.console import Console

    from cganzoo.registry.registry import Registry

DEBUG = "--debug"
WIDEST = 24
"""Characters of a name in a table; a longer one is cut, so that it leaves room for the others."""


def show_plugins(name: str | None, *, as_json: bool) -> None:
    """Print the tables, or the JSON, of every component; or everything about the one called ``name``.

    Raises:
        PluginError: nothing has this name.
    """
    # The other process takes a quarter of a second: time enough to import what prints its answer.
    threading.Thread(target=importlib.import_module, args=("rich.table",)).start()
    inventory = inspect(_waiting)
    if name is not None:
        from .plugin_page import only, show_page

        inventory = only(inventory, name)
    if as_json:
        for failure in inventory["failures"]:
            del failure["traceback"]
        print(json.dumps(inventory, indent=2))
        return
    console = stdout_console()
    if name is not None:
        show_page(inventory, console)
    else:
        _components(inventory, console)
        console.print()
        _distributions(inventory, console)
        console.print(f"\ncganzoo {inventory['host']}, plugin API {inventory['api']}", highlight=False)
    _tell(inventory)


def tell_failures(registry: Registry) -> None:
    """A line for each plugin that did not load, on standard error; with ``--debug`` its traceback, too."""
    for failure in registry.failures:
        _line("[red]failed:[/]", str(failure))
        if DEBUG in sys.argv:
            print(printable(failure.traceback), file=sys.stderr)


def _components(inventory: Inventory, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    headings = {"component": "component", "kind": "kind", "distribution": "distribution"}
    rows = [[printable(entry[key]) for key in (*headings.values(), "summary")] for entry in inventory["components"]]
    if not console.is_terminal:
        _lines([[*headings, "summary"], *rows])
        return
    table = Table(box=None, pad_edge=False, expand=True)
    for heading, key in headings.items():
        width = max(len(heading), *(len(entry[key]) for entry in inventory["components"]))
        # The summary gives way, not these.
        table.add_column(heading, width=min(width, WIDEST), no_wrap=True, overflow="ellipsis")
    table.add_column("summary", no_wrap=True, overflow="ellipsis", ratio=1)
    for name, *others in rows:
        table.add_row(Text(name, "bold"), *map(Text, others))
    console.print(table)


def _distributions(inventory: Inventory, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    headings = ("distribution", "version", "wants cganzoo", "load", "from")
    rows = []
    unloaded = [{**entry, "seconds": None} for entry in inventory["unloaded"]]
    for entry in [*inventory["plugins"], *unloaded]:
        time = "-" if entry["seconds"] is None else f"{1000 * entry['seconds']:.0f} ms"
        cells = (entry["distribution"], entry["version"], entry["wants_host"], time, relative(entry["location"]))
        rows.append([printable(cell) for cell in cells])
    if not console.is_terminal:
        _lines([headings, *rows])
        return
    table = Table(box=None, pad_edge=False)
    for heading in headings[:3]:
        table.add_column(heading, no_wrap=True, overflow="ellipsis", max_width=WIDEST)
    table.add_column(headings[3], justify="right", no_wrap=True)
    table.add_column(headings[4], overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _lines(rows: Iterable[Sequence[str]]) -> None:
    """For a pipe or a file: each row is one whole line, its columns two spaces apart and an empty one ``-``."""
    for row in rows:
        print("  ".join(" ".join(cell.splitlines()) or "-" for cell in row))


def _tell(inventory: Inventory) -> None:
    """On standard error a line for each clash, for each plugin with notes, and for each failure."""
    for entry in inventory["unloaded"]:
        _line(
            "[yellow]not loaded:[/]", f"{entry['distribution']} {entry['version']}: CGANZOO_LOAD_PLUGINS leaves it out"
        )
    for clash in inventory["clashes"]:
        _line(
            "[yellow]clash:[/]",
            f'the {clash["what"]} "{clash["name"]}" is in {" and ".join(clash["providers"])}; {clash["advice"]}',
        )
    notes: dict[str, list[str]] = {}
    for entry in inventory["notes"]:
        notes.setdefault(f"{entry['distribution']} {entry['version']}", []).append(entry["note"])
    for provider, several in notes.items():
        _line("[yellow]note:[/]", f"{provider}: {'; '.join(several)}")
    for failure in inventory["failures"]:
        _line("[red]failed:[/]", f"{failure['distribution']} {failure['version']}: {failure['reason']}")
        if DEBUG in sys.argv and failure["traceback"]:
            print(printable(failure["traceback"]), file=sys.stderr)


def _line(label: str, text: str) -> None:
    one_line = escaped(text).replace("\n", " ")
    stderr_console().print(f"{label} {one_line}", highlight=False, soft_wrap=True)


def _waiting(what: str) -> None:
    if sys.stderr.isatty():
        _line("waiting:", what)
