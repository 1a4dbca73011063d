"""Reads tables of files and labels: CSV with any usual separator, TSV, and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from cganzoo._util.text import shortened
from cganzoo.data.tree import Tree

ENDINGS = (".csv", ".tsv", ".jsonl")
SEPARATORS = ",;\t|"

LARGEST = 1 << 26  # characters of a table that is read
MOST_ROWS = 5_000_000  # four times as many as ImageNet has
MOST_COLUMNS = 500
MOST_CELLS = 100_000_000

Cell = str | None
"""Text; ``None`` where JSON has a value that is no text, whole number or truth value."""


@dataclass(frozen=True)
class Table:
    """A table with named columns.

    Attributes:
        name: of the file in the tree.
        columns: the header; differs from column to column.
        rows: each row's line number and cells; cells at the end may be missing.
    """

    name: str
    columns: list[str]
    rows: list[tuple[int, list[Cell]]]

    def column(self, name: str) -> list[Cell]:
        """A column's cells; missing ones are ``""``."""
        place = self.columns.index(name)
        return [cells[place] if place < len(cells) else "" for _, cells in self.rows]


def read_table(tree: Tree, name: str) -> Table:
    """The table in a file whose name ends in one of :data:`ENDINGS`.

    Raises:
        DataError: it cannot be read.
        ValueError: it is no table: it has no header, a row has more cells than the header, or it is too large.
    """
    try:
        text = tree.text(name, "strict")
        if len(text) > LARGEST or max(map(text.count, "\n\r")) > MOST_ROWS:
            raise ValueError(f"it is too large: label files of {LARGEST >> 20} MiB and {MOST_ROWS:,} lines are read")
        return _json_lines(name, text) if name.lower().endswith(".jsonl") else _separated(name, text)
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8; save it as UTF-8") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _separated(name: str, text: str) -> Table:
    first = text.partition("\n")[0]
    # A separator is a character of the header; the most frequent one, as a name may contain another one.
    separator = max(SEPARATORS, key=first.count)
    if first.count(separator) >= MOST_COLUMNS:
        raise ValueError(f"it has more than {MOST_COLUMNS} columns, so it holds no labels of files")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    rows: list[tuple[int, list[Cell]]] = []
    begun = 1  # line on which the present row begins, which a quotation mark may make long
    try:
        for cells in lines:
            if any(kept := [cell.strip() for cell in cells]):
                rows.append((lines.line_num, [*kept]))
            begun = lines.line_num + 1
    except csv.Error as error:
        what = "a quotation mark is not closed" if "end of data" in str(error) else str(error)
        raise ValueError(f"line {begun}: {what}; correct this line") from error
    if not rows:
        raise ValueError("it is empty")
    (_, columns), *rest = rows
    return _checked(name, [cell or "" for cell in columns], rest)


def _checked(name: str, columns: list[str], rows: list[tuple[int, list[Cell]]]) -> Table:
    while columns and not columns[-1]:  # separators at the end of the header
        columns = columns[:-1]
    ((most, count),) = Counter(columns).most_common(1)
    if count > 1:
        raise ValueError(f'two columns are named "{shortened(most)}"')
    for number, cells in rows:
        if any(cells[len(columns) :]):
            raise ValueError(f"line {number} has {len(cells)} cells, the header {len(columns)}")
    return Table(name, columns, rows)


def _json_lines(name: str, text: str) -> Table:
    found = list(_objects(text))
    columns = list(dict.fromkeys(key for _, values in found for key in values))
    if not columns:
        raise ValueError("it is empty")
    if len(columns) > MOST_COLUMNS or len(columns) * len(found) > MOST_CELLS:
        raise ValueError(f"its {len(found):,} lines have {len(columns):,} different keys; keep those of file and label")
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
