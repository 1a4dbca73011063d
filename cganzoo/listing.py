"""``cganzoo plugins``: what is installed, where it comes from, and what is wrong with what did not load."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from . import consoles
from .plugins import Registry, load_plugins
from .plugins import as_json as registry_as_json

DEBUG = "--debug"


def show(name: str | None, *, as_json: bool) -> None:
    """Print the tables, or the JSON, of every component; or everything about the one called ``name``."""
    from rich.table import Table
    from rich.text import Text

    registry = load_plugins()
    if as_json:
        print(json.dumps(registry_as_json(registry), indent=2))
        return
    console = consoles.output()
    rows = [(found.name, found.kind, found.provider.distribution) for found in registry.components()]
    table = Table(box=None, pad_edge=False, expand=True)
    for heading, cells in zip(("component", "kind", "distribution"), zip(*rows, strict=True), strict=True):
        width = max(map(len, (heading, *cells)))
        table.add_column(heading, width=width)  # the summary gives way, not these
    table.add_column("summary", no_wrap=True, overflow="ellipsis", ratio=1)
    for (name, *row), component in zip(rows, registry.components(), strict=True):
        table.add_row(Text(name, "bold"), *row, component.spec.summary)
    console.print(table)
    console.print()
    table = Table(box=None, pad_edge=False)
    for heading in ("distribution", "version"):
        table.add_column(heading, no_wrap=True)
    table.add_column("from", overflow="fold")
    for plugin in registry.plugins:
        table.add_row(plugin.provider.distribution, plugin.provider.version, _near(plugin.provider.location))
    console.print(table)
    for plugin in registry.plugins:
        if plugin.imported_torch:
            consoles.errors().print(
                f"[yellow]note:[/] {consoles.escaped(str(plugin.provider))}: imports torch when it is loaded; "
                "import it inside build",
                soft_wrap=True,
            )
    tell_failures(registry)


def tell_failures(registry: Registry) -> None:
    """A line for each plugin that did not load, on standard error; with ``--debug`` its traceback, too."""
    for failure in registry.failures:
        consoles.errors().print(f"[red]failed:[/] {consoles.escaped(str(failure))}", highlight=False, soft_wrap=True)
        if DEBUG in sys.argv:
            print(failure.traceback, file=sys.stderr)


def _near(location: str) -> str:
    """A folder as seen from here, where that is shorter."""
    try:
        return str(Path(location).relative_to(Path.cwd()))
    except ValueError:
        return location
