"""Tables of a list: aligned in a terminal, one line for each row in a pipe or a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .streams import printable

if TYPE_CHECKING:
    from rich.console import Console

ONE_LINE: dict[str, Any] = {"no_wrap": True, "overflow": "ellipsis"}
"""Options of a column whose cells are cut where the terminal is too narrow."""


def print_table(
    console: Console, headings: Sequence[str], rows: Sequence[Sequence[str]], columns: Sequence[Mapping[str, Any]]
) -> None:
    """Print a table, whose columns have these options of rich.

    In a pipe or a file it is one whole line for each row, with two spaces or more between columns, and ``-`` for an
    empty cell.
    A row with one cell is a heading; it is printed in a terminal only.
    """
    from rich.table import Table
    from rich.text import Text

    rows = [[printable(cell) for cell in row] for row in rows]
    if not console.is_terminal:
        lines = [
            [" ".join(cell.split()) or "-" for cell in row] for row in (headings, *rows) if len(row) == len(headings)
        ]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        return
    table = Table(box=None, pad_edge=False, expand=any("ratio" in column for column in columns))
    for heading, column in zip(headings, columns, strict=True):
        table.add_column(heading, **column)
    for row in rows:
        table.add_row(*(Text(cell) if len(row) > 1 else Text(cell, "not bold dim") for cell in row))
    console.print(table)
