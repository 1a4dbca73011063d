"""``cganzoo plugins``: the installed components, the plugins that provide them, and what is wrong with these."""

from __future__ import annotations

import importlib
import json
import sys
import threading
from typing import TYPE_CHECKING, Any

from cganzoo.console.streams import print_labelled, printable, relative, stdout_console
from cganzoo.console.tables import ONE_LINE, print_table
from cganzoo.registry.discovery import PROJECT
from cganzoo.registry.probe import Inventory, inspect

if TYPE_CHECKING:
    from rich.console import Console

    from cganzoo.registry.registry import Registry

DEBUG = "--debug"
WIDEST = 24
"""Characters of a name in a table; a longer name is cut."""


def show_plugins(name: str | None, *, as_json: bool) -> None:
    """Print all components, or everything about the component or distribution ``name``, as tables or as JSON."""
    # The child process takes a quarter of a second; meanwhile this one imports what it needs afterwards.
    threading.Thread(target=lambda: [*map(importlib.import_module, ("rich.table", "cganzoo.registry.kinds"))]).start()
    inventory = inspect(_waiting)
    if name is not None:
        from .plugin_page import select, show_page

        inventory = select(inventory, name)
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
    _report_problems(inventory)


def report_failures(registry: Registry) -> None:
    """Print one line for each plugin that did not load, with ``--debug`` also its traceback, to standard error."""
    for failure in registry.failures:
        _failed(str(failure), failure.traceback)


def _components(inventory: Inventory, console: Console) -> None:
    headings = ("component", "kind", "distribution", "summary")
    rows = [[entry[heading] for heading in headings] for entry in inventory["components"]]
    # Only the summary is cut if the terminal is narrow.
    widths = [min(max(map(len, cells)), WIDEST) for cells in zip(headings, *rows, strict=True)]
    columns = [{"width": width, **ONE_LINE} for width in widths[:3]]
    print_table(console, headings, rows, [{**columns[0], "style": "bold"}, *columns[1:], {"ratio": 1, **ONE_LINE}])


def _distributions(inventory: Inventory, console: Console) -> None:
    hosted = [entry for entry in inventory["plugins"] if entry["distribution"] == PROJECT]
    others = [entry for entry in inventory["plugins"] if entry["distribution"] != PROJECT]
    # To the user, the host's modules of components are one plugin.
    host = [{**hosted[0], "seconds": sum(entry["seconds"] for entry in hosted)}] if hosted else []
    rows = []
    for entry in (*host, *others, *inventory["unloaded"]):
        seconds = entry.get("seconds")
        time = "-" if seconds is None else f"{1000 * seconds:.0f} ms"
        rows.append([entry["distribution"], entry["version"], entry["wants_host"], time, relative(entry["location"])])
    columns = [*[{"max_width": WIDEST, **ONE_LINE}] * 3, {"justify": "right", "no_wrap": True}, {"overflow": "fold"}]
    print_table(console, ("distribution", "version", "wants cganzoo", "load", "from"), rows, columns)


def _report_problems(inventory: Inventory) -> None:
    """Print one line for each clash, each plugin with notes, and each failure, to standard error."""
    for entry in inventory["unloaded"]:
        _line("[yellow]not loaded:[/]", f"{_provider(entry)}: CGANZOO_LOAD_PLUGINS leaves it out")
    for clash in inventory["clashes"]:
        _line(
            "[yellow]clash:[/]",
            f'the {clash["what"]} "{clash["name"]}" is in {" and ".join(clash["providers"])}; {clash["advice"]}',
        )
    notes: dict[str, list[str]] = {}
    for entry in inventory["notes"]:
        notes.setdefault(_provider(entry), []).append(entry["note"])
    for provider, texts in notes.items():
        _line("[yellow]note:[/]", f"{provider}: {'; '.join(texts)}")
    for failure in inventory["failures"]:
        _failed(f"{_provider(failure)}: {failure['reason']}", failure["traceback"])


def _provider(entry: dict[str, Any]) -> str:
    return f"{entry['distribution']} {entry['version']}"


def _failed(text: str, traceback: str) -> None:
    _line("[red]failed:[/]", text)
    if DEBUG in sys.argv and traceback:
        print(printable(traceback), file=sys.stderr)


def _line(label: str, text: str) -> None:
    print_labelled(label, text.replace("\n", " "))


def _waiting(message: str) -> None:
    if sys.stderr.isatty():
        _line("waiting:", message)
