"""Label files: which image has which label. CSV, TSV, JSON lines, and the ``dataset.json`` of StyleGAN."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass

from cganzoo._util.text import listed, shortened
from cganzoo.data.tree import Tree
from cganzoo.errors import DataError

from .finder import Finder
from .splits import split_kind
from .table import LARGEST, Table, read_table

STYLEGAN = "dataset.json"

FILES = str.split(
    "file filename filenames filepath filepaths path paths imagepath imagepaths imgpath imagefile imagefilename "
    "imagename imgname image images img fname imageid imageindex imgid photoid photo picture id idcode name"
)
"""Names of the column of files, without punctuation and in lower case; the first ones are preferred."""

LABELS = frozenset(
    str.split(
        "label labels class classes classname classnames classlabel labelname category categories categoryname target "
        "targets species breed labelid classid categoryid classidx labelidx"
    )
)
SPLITS = frozenset(["split", "splits", "partition"])
"""Names of columns that say of each image which split it is in."""

MAYBE_SPLITS = frozenset(
    str.split(
        "subset set dataset phase usage fold folds istrain istraining istest isval isvalid isvalidation istrainingimage"
    )
)
"""Names of columns that may do so."""

NO_LABELS = frozenset(
    str.split(
        "text caption captions prompt description url width height size md5 hash sha256 bbox bboxes box boxes objects "
        "mask masks x y w h x1 y1 x2 y2 xmin ymin xmax ymax index predictionstring"
    )
)


LOOKED_AT = 1000
"""Rows from which the column of files is recognised; one that names no image is refused later."""


@dataclass(frozen=True)
class Row:
    """One image of a label file: its name in the tree, its label, and its split if the file says so."""

    image: str
    label: str
    split: str | None = None


@dataclass(frozen=True)
class Listing:
    """What a label file says.

    Attributes:
        name: of the file in the tree.
        rows: one for each image.
        column: of the labels; ``""`` if the file has no columns.
        guessed: whether the column's name says nothing of labels.
        notes: what a user must know if the file is used.
    """

    name: str
    rows: list[Row]
    column: str = ""
    guessed: bool = False
    notes: tuple[str, ...] = ()


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())


class NotLabelsError(Exception):
    """The table has no column of files, or none of labels, so it says nothing of classes.

    Attributes:
        suspect: whether it may be a label file all the same, which is damaged or names other images.
        names_images: whether it has a column of files.
    """

    def __init__(self, reason: str, *, suspect: bool = False, names_images: bool = False) -> None:
        super().__init__(reason)
        self.suspect, self.names_images = suspect, names_images


def table_listing(
    tree: Tree, name: str, finder: Finder, wanted: str | None, classes: Collection[str] = frozenset()
) -> Listing:
    """The rows of a table.

    Args:
        finder: finds the images that the table names.
        wanted: column of the labels, if the user chose one.
        classes: names of the class folders; a list of these is no label file, whatever its numbers mean.

    Raises:
        NotLabelsError: the table is about something else.
        DataError: it has labels, and there is a mistake in it.
    """
    where = tree.where(name)
    try:
        table = read_table(tree, name)
    except ValueError as error:
        raise NotLabelsError(f"{shortened(str(error), 80)}", suspect=True) from error
    files = _file_column(table, finder)
    labels, guessed = _label_column(table, where, files, wanted)
    notes: list[str] = []
    splits = _split_column(table, where, labels, notes)
    cells = table.column(labels)
    if classes and len({*cells}) == len(cells) and all(cell in classes for cell in cells):
        raise NotLabelsError("it names each class once, so it is a list of the classes")
    rows: dict[str, Row] = {}
    lines: dict[str, int] = {}
    kinds = table.column(splits) if splits else [None] * len(table.rows)
    for (line, _), file, label, kind in zip(table.rows, table.column(files), cells, kinds, strict=True):
        if not file:
            raise DataError(f'{where}: line {line} has no "{files}"')
        if label is None:
            raise DataError(
                f'{where}: line {line}: "{labels}" is neither text nor a whole number; write one class for each image, '
                "as its name or its number, or choose another column with data.label_column"
            )
        if not label:
            raise DataError(f'{where}: line {line} has no "{labels}"')
        row = Row(finder.find(file, f"{where}: line {line}"), label, split_kind(kind) if kind else None)
        if rows.setdefault(row.image, row) != row:
            raise DataError(
                f'{where}: lines {lines[row.image]} and {line} give "{shortened(file, 80)}" different labels or '
                "splits; keep one"
            )
        lines.setdefault(row.image, line)
    return Listing(name, list(rows.values()), labels, guessed, tuple(notes))


def _file_column(table: Table, finder: Finder) -> str:
    if first := next((column for column in table.columns if finder.has(column) and "." in column), None):
        raise NotLabelsError(
            f'its first line names the image "{shortened(first)}"; add a line of names above it, such as "file,label"',
            suspect=True,
        )
    known = [column for column in table.columns if _plain(column) in FILES]
    for column in sorted(known, key=lambda column: FILES.index(_plain(column))):
        if any(cell and finder.has(cell) for cell in table.column(column)[:LOOKED_AT]):
            return column
    others = [column for column in table.columns if _plain(column) not in {*FILES, *LABELS, *SPLITS, *NO_LABELS}]
    all_name = [
        column for column in others if all(cell and finder.has(cell) for cell in table.column(column)[:LOOKED_AT])
    ]
    if len(all_name) == 1 and table.rows:
        return all_name[0]
    if known:
        raise NotLabelsError(f'its column "{known[0]}" names no image that is here', suspect=True)
    raise NotLabelsError('it has no column of files, such as "file"')


def _split_column(table: Table, where: str, labels: str, notes: list[str]) -> str | None:
    """The column that says which split each image is in; ``notes`` receives columns that may say so.

    Raises:
        DataError: there is one, and not every cell of it is understood.
    """
    for names in (SPLITS, MAYBE_SPLITS):
        for column in table.columns:
            if _plain(column) not in names or column == labels:
                continue
            cells = table.column(column)
            known = [split_kind(cell) if cell else None for cell in cells]
            if all(known) and known:
                return column
            if any(known) or (any(cells) and names is SPLITS):
                at = known.index(None)
                raise DataError(
                    f'{where}: line {table.rows[at][0]}: "{shortened(column)}" is '
                    f"{_quoted(cells[at]) if cells[at] else 'empty'}, which names no split; write train, val or test "
                    "on each line, or rename this column to have it ignored"
                )
            if any(cells):
                notes.append(
                    f'the column "{shortened(column)}" of {where} is not used; if it says which images are test '
                    'images, add a column "split" of train, val and test'
                )
    return None


def _quoted(text: str | None) -> str:
    return f'"{shortened(text or "")}"'


def _label_column(table: Table, where: str, files: str, wanted: str | None) -> tuple[str, bool]:
    """The column of labels, and whether only the lack of others makes it one."""
    if wanted is not None:
        if wanted == files:
            raise DataError(f'{where}: column "{shortened(wanted)}" (data.label_column) holds no labels but files')
        if wanted not in table.columns:
            names = listed(map(shortened, table.columns[:20]), "and")
            raise NotLabelsError(
                f'it has no column "{shortened(wanted)}" of labels (data.label_column); its columns: {names}',
                suspect=True,
                names_images=True,
            )
        return wanted, False
    no_others = {"", "unnamed0", *SPLITS, *MAYBE_SPLITS}
    columns = [column for column in table.columns if column != files and _plain(column) not in no_others]
    named = [column for column in columns if _plain(column) in LABELS]
    possible = [column for column in columns if _plain(column) not in NO_LABELS]
    if not named and len(columns) == 1 and possible:
        cells = [cell for cell in table.column(possible[0]) if cell]
        if len(set(cells)) < len(cells):  # else each row has a text of its own
            return possible[0], True
    if not named:
        names = listed([shortened(column) for column in possible[:9]] or [""])
        choice = f"; if one of its columns names the classes, set data.label_column: {names}"
        raise NotLabelsError(
            f'it has no column of labels, such as "label"{choice if possible else ""}',
            suspect=bool(possible),
            names_images=True,
        )
    named = _without_numbers(table, named)
    if len(named) > 1:
        raise DataError(
            f"{where}: has several columns of labels: {listed(named, 'and')}; choose one with data.label_column, for "
            f'example data.label_column = "{named[0]}"'
        )
    return named[0], False


def _without_numbers(table: Table, columns: list[str]) -> list[str]:
    """One of columns that say the same, such as numbers and names of classes: the first one that has names."""
    cells = {column: table.column(column) for column in columns}
    first = cells[columns[0]]
    for other in columns[1:]:
        pairs = set(zip(first, cells[other], strict=True))
        if not len(pairs) == len(set(first)) == len(set(cells[other])):
            return columns
    return [next((name for name in columns if not all(is_number(cell) for cell in cells[name])), columns[0])]


def is_number(text: str | None) -> bool:
    """Whether a label is a whole number, written in digits."""
    return text is not None and re.fullmatch("-?[0-9]{1,18}", text) is not None


def stylegan_listing(tree: Tree, name: str, finder: Finder) -> Listing:
    """The labels in a ``dataset.json`` of StyleGAN: ``{"labels": [["00000/img.png", 3], ...]}``; ``null`` is one class.

    Raises:
        DataError: it has another form, or does not name every image once with a label.
    """
    where = tree.where(name)
    otherwise = '; set data.labels = "folders" to have the folders as classes'
    try:
        text = tree.text(name, "strict")
        if len(text) > LARGEST:
            raise DataError(f"{where}: is too large: label files of {LARGEST >> 20} MiB are read{otherwise}")
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: is not JSON, or is damaged; write it again{otherwise}") from error
    if not isinstance(values, dict) or "labels" not in values:
        raise DataError(f'{where}: holds no "labels", as StyleGAN writes them{otherwise}')
    entries, everything = values["labels"], finder.everything()
    if entries is None:
        return Listing(name, [Row(image, "all") for image in everything])
    if not isinstance(entries, list):
        raise DataError(f'{where}: "labels" is neither a list nor null{otherwise}')
    labels: dict[str, int] = {}
    for number, entry in enumerate(entries, 1):
        place = f"{where}: entry {number} of labels"
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], str):
            raise DataError(f"{place} is not a pair of a file and a number{otherwise}")
        file, label = entry
        if type(label) is not int or label < 0:
            raise DataError(
                f'{place}: the label of "{shortened(file, 80)}" is {shortened(json.dumps(label))}, not a number from 0'
                f"{otherwise}"
            )
        image = finder.find(file, place)
        if labels.setdefault(image, label) != label:
            raise DataError(f'{place}: "{shortened(file, 80)}" has another label above; keep one')
    if without := [image for image in everything if image not in labels]:
        count = "an image" if len(without) == 1 else f"{len(without):,} images"
        raise DataError(
            f"{where}: has no label for {count}, such as {without[0]}; add labels, or remove such images{otherwise}"
        )
    return Listing(name, [Row(image, str(label)) for image, label in labels.items()])
