"""Which label files a folder holds, and the classes that they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cganzoo._util.text import did_you_mean, listed
from cganzoo.data.tree import Tree, one_line
from cganzoo.errors import DataError

from .branch import Branch
from .finder import Finder
from .folders import Classes, counted, shown
from .rows import STYLEGAN, Listing, NotLabelsError, Row, is_number, stylegan_listing, table_listing
from .splits import split_kind, split_kinds
from .table import ENDINGS

FOLDERS = "folders"
"""Value of ``data.labels`` that leaves label files alone."""


class Labels:
    """The label files of a tree.

    Args:
        chosen: label file, relative to the top; ``"folders"``: none; ``None``: the ones that are found.
        column: column of the labels, if the user chose one.

    Attributes:
        used: names of the label files that were read.
        notes: why tables that may be label files are not used.
    """

    def __init__(self, tree: Tree, chosen: str | None, column: str | None) -> None:
        self.tree, self.chosen, self._column = tree, chosen, column
        self.used: list[str] = []
        self._found: dict[str, list[Listing]] = {}
        self.notes: list[str] = []
        self._rejected: list[str] = []

    @property
    def why_not(self) -> str:
        """Why a table is not used as a label file; empty if there is none."""
        return self._rejected[0] if self._rejected else ""

    def branch_of_chosen(self, top: Branch) -> Branch:
        """The folder of the file that the user chose."""
        assert self.chosen is not None
        wanted = "/".join(part for part in self.chosen.replace("\\", "/").split("/") if part not in ("", "."))
        files = {name: folder for folder in top.walk() for name in folder.files}
        if wanted not in files:
            tables = [name for name in files if _is_label_file(name)]
            hint = did_you_mean(wanted, tables, f"it holds {listed(tables[:5], 'and')}" if tables else "it holds none")
            raise DataError(f'data.labels = "{one_line(self.chosen)}": no such file in {self.tree.path}; {hint}')
        branch = files[wanted]
        self._found[branch.name] = [self._read(wanted, branch)]
        self.used = [wanted]
        return branch

    def here(self, branch: Branch) -> list[Listing]:
        """The label files directly in a folder: none, one, or one for each of several splits."""
        if self.chosen == FOLDERS:
            return []
        if branch.name not in self._found:
            self._found[branch.name] = [] if not branch.count else self._look(branch)
            self.used += [listing.name for listing in self._found[branch.name]]
        return self._found[branch.name]

    def _look(self, branch: Branch) -> list[Listing]:
        if self.chosen is not None:
            return []
        if (name := branch.name + STYLEGAN) in branch.files:
            return [stylegan_listing(self.tree, name, Finder(branch))]
        found = []
        for name in branch.files:
            last = name.rpartition("/")[2].lower()
            if last.endswith(ENDINGS) and "submission" not in last:
                try:
                    found.append(self._read(name, branch))
                except NotLabelsError as reason:
                    self._rejected.append(f"{self.tree.where(name)} is not used: {reason}")
                    self.notes += self._rejected[-1:] if reason.suspect else []
                except DataError as error:
                    otherwise = f'; set data.labels = "{FOLDERS}" to use the folders instead' if branch.inner else ""
                    raise DataError(f"{error}{otherwise}") from error
        kinds = {listing.name: split_kind(_stem(listing.name)) for listing in found}
        if len(found) > 1 and not (
            "train" in kinds.values() and None not in kinds.values() and len({*kinds.values()}) == len(kinds)
        ):
            names = [one_line(listing.name) for listing in found]
            raise DataError(
                f"{self.tree.where(branch.name)}: several files hold labels ({listed(names, 'and')}); choose one with "
                f'data.labels, for example data.labels = "{names[0]}"'
            )
        return [] if found and self._folders_agree(branch, found) else found

    def _read(self, name: str, branch: Branch) -> Listing:
        """The rows of one file."""
        if name.rpartition("/")[2] == STYLEGAN:
            return stylegan_listing(self.tree, name, Finder(branch))
        kind = split_kind(_stem(name))
        kinds = split_kinds(branch.inner)
        finder = Finder(branch, tuple(branch.inner[folder] for folder, of in kinds.items() if kind and of == kind))
        try:
            return table_listing(self.tree, name, finder, self._column)
        except NotLabelsError as reason:
            if self.chosen is None:
                raise
            raise DataError(f"{self.tree.where(name)}: cannot be used as data.labels: {reason}") from reason

    def _folders_agree(self, branch: Branch, listings: Sequence[Listing]) -> bool:
        """Whether every image lies in a folder with its label's name, so that the folders say the same.

        Raises:
            DataError: there are class folders, and the labels are other ones.
        """
        rows = [row for listing in listings for row in listing.rows]
        if all(row.image.split("/")[-2:-1] == [row.label] for row in rows):
            return True
        folders = {row.image.rpartition("/")[0] for row in rows}
        labels = {row.label for row in rows}
        lasts = {folder.rpartition("/")[2] for folder in folders}
        # Folders that are named by labels are class folders, and here an image lies in another one's.
        if len(labels & lasts) > 1:
            wrong = next(row for row in rows if row.image.split("/")[-2:-1] != [row.label])
            raise DataError(
                f'{self.tree.where(listings[0].name)}: says "{one_line(wrong.label)}" of {one_line(wrong.image)}, '
                f'which lies in another class\'s folder; set data.labels = "{FOLDERS}" to use the folders, or '
                f'data.labels = "{one_line(listings[0].name)}" to use the file'
            )
        if _look_like_classes(lasts - {""}):
            raise DataError(
                f"{self.tree.where(branch.name)}: holds class folders ({shown(sorted(lasts))}) "
                f'and labels ({one_line(listings[0].name)}); set data.labels = "{FOLDERS}" to use the folders, or '
                f'data.labels = "{one_line(listings[0].name)}" to use the file'
            )
        return False

    def shown(self, listings: Sequence[Listing]) -> str:
        """The label files as messages name them."""
        return listed(
            (
                one_line(listing.name) + (f' (column "{one_line(listing.column)}")' if listing.column else "")
                for listing in listings
            ),
            "and",
        )

    def by_split(self, listings: Sequence[Listing], branch: Branch, kinds: Mapping[str, str]) -> dict[str, list[Row]]:
        """The rows of each split: by a column, by one file for each split, or by the splits' folders."""
        rows: dict[str, list[Row]] = {}
        for listing in listings:
            kind = split_kind(_stem(listing.name)) if len(listings) > 1 else None
            for row in listing.rows:
                folder = row.image[len(branch.name) :].partition("/")[0]
                rows.setdefault(row.split or kind or kinds.get(folder) or "train", []).append(row)
        return rows

    def classes(
        self,
        rows: Sequence[Row],
        notes: list[str],
        branch: Branch,
        splits: Mapping[str, Sequence[Row]] | None = None,
    ) -> Classes:
        """Label to images, sorted; labels that are all numbers by their value. Unlisted images are a note."""
        classes: Classes = {}
        for row in rows:
            classes.setdefault(row.label, []).append(row.image)
        numbers = all(map(is_number, classes))
        count = sum(map(len, (splits or {"": rows}).values()))
        if count < branch.count:
            notes.append(f"{counted(branch.count - count, 'image')} without a label in the label file are left out")
        return {name: sorted(classes[name]) for name in sorted(classes, key=int if numbers else None)}


def _look_like_classes(folders: set[str]) -> bool:
    """Whether folders with these names may be classes, and not splits, buckets or just a place for images."""
    from .folders import PHOTOS

    names = {name for name in folders if not name.isdecimal() and name.casefold() not in PHOTOS}
    return len(names - split_kinds(names).keys()) > 1


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]


def _is_label_file(name: str) -> bool:
    last = name.rpartition("/")[2].lower()
    return last == STYLEGAN or last.endswith(ENDINGS)
