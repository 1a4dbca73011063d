"""Reads tables of files and labels: CSV with any usual separator, TSV, and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass

from cganzoo.data.tree import Tree

ENDINGS = (".csv", ".tsv", ".jsonl")
SEPARATORS = ",;\t|"

Cell = str | None
"""Text; ``None`` where JSON has a value that is no text, whole number or truth value."""


@dataclass(frozen=True)
class Table:
    """A table with named columns.

    Attributes:
        name: of the file in the tree.
        columns: the header; differs from column to column.
        rows: each row's line number and cells; missing cells are ``""``.
    """

    name: str
    columns: list[str]
    rows: list[tuple[int, list[Cell]]]

    def column(self, name: str) -> list[Cell]:
        """A column's cells."""
        place = self.columns.index(name)
        return [cells[place] for _, cells in self.rows]


def read_table(tree: Tree, name: str) -> Table:
    """The table in a file whose name ends in one of :data:`ENDINGS`.

    Raises:
        DataError: it cannot be read.
        ValueError: it is no table: it has no header, or a row has more cells than the header.
    """
    try:
        text = tree.text(name, "strict")
        return _json_lines(name, text) if name.lower().endswith(".jsonl") else _separated(name, text)
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8; save it as UTF-8") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except csv.Error as error:
        raise ValueError(str(error)) from error


def _separated(name: str, text: str) -> Table:
    first = text.partition("\n")[0]
    # A separator is a character of the header; the most frequent one, as a name may contain another one.
    separator = max(SEPARATORS, key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    rows = [(lines.line_num, [cell.strip() for cell in cells]) for cells in lines]
    rows = [(number, cells) for number, cells in rows if any(cells)]
    if not rows:
        raise ValueError("it is empty")
    (_, columns), *rest = rows
    return _checked(name, columns, rest)


def _checked(name: str, columns: list[str], rows: list[tuple[int, list[str]]]) -> Table:
    while columns and not columns[-1]:  # separators at the end of the header
        columns = columns[:-1]
    for column in columns:
        if columns.count(column) > 1:
            raise ValueError(f'two columns are named "{column}"')
    full: list[tuple[int, list[Cell]]] = []
    for number, cells in rows:
        if any(cells[len(columns) :]):
            raise ValueError(f"line {number} has {len(cells)} cells, the header {len(columns)}")
        padded: list[Cell] = [*cells, *[""] * (len(columns) - len(cells))]
        full.append((number, padded[: len(columns)]))
    return Table(name, columns, full)


def _json_lines(name: str, text: str) -> Table:
    found = list(_objects(text))
    columns = list(dict.fromkeys(key for _, values in found for key in values))
    if not columns:
        raise ValueError("it is empty")
    return Table(name, columns, [(number, [_cell(values.get(key, "")) for key in columns]) for number, values in found])


def _objects(text: str) -> Iterator[tuple[int, dict[str, object]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                values = json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number} is not JSON") from error
            if not isinstance(values, dict):
                raise ValueError(f"line {number} is not a JSON object")
            yield number, values


def _cell(value: object) -> Cell:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else None
