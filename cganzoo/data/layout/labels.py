"""Which label files a folder holds, and the classes that they give."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cganzoo._util.text import did_you_mean, escaped, listed, shortened
from cganzoo.data.tree import Tree
from cganzoo.errors import DataError

from .branch import Branch
from .finder import Finder
from .folders import Classes, counted, shown
from .like_classes import are_places, like_classes, same_class, split_level
from .rows import STYLEGAN, Listing, NotLabelsError, Row, is_number, stylegan_listing, table_listing
from .splits import split_kind, split_kinds
from .table import ENDINGS

FOLDERS = "folders"
"""Value of ``data.labels`` that leaves label files alone."""

_OTHERWISE = f'; set data.labels = "{FOLDERS}" to use the folders instead'


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
        self._rejected: list[tuple[int, str]] = []
        self._with_column = False

    @property
    def why_not(self) -> str:
        """Why a table is not used as a label file, the likeliest one; empty if there is none."""
        return max(self._rejected, default=(0, ""), key=lambda reason: reason[0])[1]

    def elsewhere(self, top: Branch) -> str:
        """The first table that lies in a folder without images, as an advice; empty if there is none."""
        tables = (name for folder in top.walk() if not folder.count for name in folder.files if _is_label_file(name))
        name = escaped(next(tables, ""))
        return f'if {name} holds the labels, set data.labels = "{name}"' if name and self.chosen is None else ""

    def check_column(self) -> None:
        """Refuse a column of labels that no label file was read from."""
        if self._column is None or self._with_column:
            return
        named = f'data.label_column = "{escaped(shortened(self._column))}"'
        if self.chosen == FOLDERS:
            raise DataError(f'{named}: data.labels = "{FOLDERS}" uses no label file; remove one of the two')
        why = self.why_not or "there is no table of files and labels next to the images"
        if self.used:
            why = f"{escaped(self.used[0])} has no columns"
        raise DataError(f"{named}: no label file is used: {why}; remove this key, or name the file as data.labels")

    def branch_of_chosen(self, top: Branch) -> Branch:
        """The folder of the file that the user chose."""
        assert self.chosen is not None
        wanted = "/".join(part for part in self.chosen.replace("\\", "/").split("/") if part not in ("", "."))
        files = {name: folder for folder in top.walk() for name in folder.files}
        if wanted not in files:
            tables = [name for name in files if _is_label_file(name)]
            hint = did_you_mean(wanted, tables, f"it holds {listed(tables[:5], 'and')}" if tables else "it holds none")
            raise DataError(f'data.labels = "{escaped(self.chosen)}": no such file in {self.tree.path}; {hint}')
        # The images may lie in a folder next to the one that holds the label file.
        around = [folder for folder in top.walk() if wanted.startswith(folder.name)]
        for branch in reversed(around):
            try:
                listing = self._read(wanted, branch)
            except NotLabelsError as reason:
                if branch is top or reason.names_images:
                    raise DataError(f"{self.tree.where(wanted)}: cannot be used as data.labels: {reason}") from reason
            else:
                break
        self._found[branch.name] = [listing]
        self._use([listing])
        return branch

    def _use(self, listings: Sequence[Listing]) -> None:
        self.used += [listing.name for listing in listings]
        self.notes += [note for listing in listings for note in listing.notes]
        self._with_column |= any(listing.column for listing in listings)

    def here(self, branch: Branch) -> list[Listing]:
        """The label files directly in a folder: none, one, or one for each of several splits."""
        if self.chosen == FOLDERS:
            return []
        if branch.name not in self._found:
            self._found[branch.name] = [] if not branch.count else self._look(branch)
            self._use(self._found[branch.name])
        return self._found[branch.name]

    def _look(self, branch: Branch) -> list[Listing]:
        if self.chosen is not None:
            return []
        if name := next((name for name in branch.files if name.lower() == branch.name.lower() + STYLEGAN), None):
            return [stylegan_listing(self.tree, name, Finder(branch))]
        tables = [name for name in branch.files if _is_label_file(name) and "submission" not in _stem(name).lower()]
        folders = like_classes(branch) if tables else {}
        found = []
        for name in tables:
            try:
                found.append(self._read(name, branch, {path[-1] for path in folders.values()}))
            except NotLabelsError as reason:
                self._reject(name, reason, branch)
            except DataError as error:
                raise DataError(f"{error}{_OTHERWISE if branch.inner else ''}") from error
        found = self._about_the_set(found)
        if folders and self._column is None:
            found = self._beside(branch, folders, found)
        if len(found) > 1 and not _of_splits(found):
            names = [escaped(listing.name) for listing in found]
            raise DataError(
                f"{self.tree.where(branch.name)}: several files hold labels ({listed(names, 'and')}); choose one with "
                f'data.labels, for example data.labels = "{names[0]}"{_OTHERWISE if branch.inner else ""}'
            )
        return found

    def _reject(self, name: str, reason: NotLabelsError, branch: Branch | None = None) -> None:
        """Keep why a table is not used.

        Raises:
            DataError: it names images, and there are neither class folders nor splits that could give the classes.
        """
        why = f"{self.tree.where(name)} is not used: {reason}"
        if branch and reason.names_images and reason.suspect and self._column is None and _parts_only(branch):
            raise DataError(
                f"{why}; the folders next to it ({shown(branch.inner)}) are no classes by their names{_OTHERWISE}"
            )
        self._rejected.append((2 * reason.names_images + reason.suspect, why))
        self.notes += [why] if reason.suspect else []

    def _about_the_set(self, found: list[Listing]) -> list[Listing]:
        """Without lists of the classes, and without files about other images than those of the splits' files."""
        if len(found) > 1:
            without = [listing for listing in found if not _kind(listing)]
            lists = [one for one in without if len({row.label for row in one.rows}) == len(one.rows) > 1]
            if len(lists) < len(found):
                for listing in lists:
                    self._reject(listing.name, NotLabelsError("each of its labels occurs once", suspect=True))
                found = [listing for listing in found if listing not in lists]
        of_split = [listing for listing in found if _kind(listing)]
        if "train" in map(_kind, of_split):
            images = {row.image for listing in of_split for row in listing.rows}
            for listing in [
                one for one in found if not _kind(one) and images.isdisjoint(row.image for row in one.rows)
            ]:
                names = listed([escaped(one.name) for one in of_split], "and")
                self._reject(listing.name, NotLabelsError(f"it names other images than {names}", suspect=True))
                found.remove(listing)
        return found

    def _read(self, name: str, branch: Branch, classes: Collection[str] = frozenset()) -> Listing:
        """The rows of one file."""
        if name.rpartition("/")[2].lower() == STYLEGAN:
            return stylegan_listing(self.tree, name, Finder(branch))
        kind = split_kind(_stem(name))
        level = split_level(branch)
        kinds = split_kinds(level.inner)
        finder = Finder(branch, tuple(level.inner[folder] for folder, of in kinds.items() if kind and of == kind))
        return table_listing(self.tree, name, finder, self._column, frozenset() if kind else classes)

    def _beside(self, branch: Branch, folders: Mapping[str, Sequence[str]], found: list[Listing]) -> list[Listing]:
        """The label files that are used where there are folders that may be classes: none if they say the same.

        Raises:
            DataError: the labels are other ones, or say nothing of some folders.
        """
        for listing in [listing for listing in found if listing.guessed]:
            guess = f'its column "{escaped(listing.column)}" has no name of labels, and there are class folders'
            self._reject(listing.name, NotLabelsError(guess, suspect=True))
            found.remove(listing)
        if not found:
            return []
        names = [escaped(listing.name) for listing in found]
        choose = f'; set data.labels = "{FOLDERS}" to use the folders, or data.labels = "{names[0]}" to use the file'
        lasts = sorted({path[-1] for path in folders.values()})
        level = split_level(branch)
        kinds = split_kinds(level.inner)
        covered, more, count = set[str](), False, 0
        for listing in found:
            kind = _kind(listing) if _of_splits(found) else None
            for row in listing.rows:
                folder, _, _ = row.image.rpartition("/")
                path = folders.get(f"{folder}/")
                if path is None:  # as the images of a test folder without class folders
                    more = True
                    continue
                if not any(same_class(part, row.label) for part in path):
                    if any(same_class(last, row.label) for last in lasts):
                        raise DataError(
                            f'{self.tree.where(listing.name)}: says "{escaped(shortened(row.label))}" of '
                            f"{escaped(row.image)}, which lies in another class's folder{choose}"
                        )
                    raise DataError(
                        f"{self.tree.where(branch.name)}: holds class folders ({shown(lasts)}) and other labels "
                        f'({escaped(listing.name)}: "{escaped(shortened(row.label))}" of '
                        f"{escaped(row.image)}){choose}"
                    )
                covered.add(path[-1])
                count += 1
                split = row.split or kind
                more |= split is not None and split != _placed(row.image, level, kinds)
        images = sum(len(folder.images) for folder in branch.walk() if folder.name in folders)
        if not more:
            if count < images:
                self.notes.append(
                    f"{listed(names, 'and')} {'names' if len(names) == 1 else 'name'} {count:,} of {images:,} images; "
                    "all are used, with the folders as classes, which agree"
                )
            return []
        if missing := [last for last in lasts if last not in covered]:
            raise DataError(
                f"{self.tree.where(branch.name)}: holds class folders ({shown(lasts)}), and {listed(names, 'and')} "
                f"names no image of {shown(missing)}{choose}"
            )
        return found

    def shown(self, listings: Sequence[Listing]) -> str:
        """The label files as messages name them."""
        return listed(
            (
                escaped(listing.name) + (f' (column "{escaped(listing.column)}")' if listing.column else "")
                for listing in listings
            ),
            "and",
        )

    def by_split(self, listings: Sequence[Listing], branch: Branch) -> dict[str, list[Row]]:
        """The rows of each split: by a column, by one file for each split, or by the splits' folders."""
        rows: dict[str, list[Row]] = {}
        level = split_level(branch)
        kinds = split_kinds(level.inner)
        for listing in listings:
            kind = None if self.chosen else _kind(listing)
            several = len(listings) > 1
            for row in listing.rows:
                placed = _placed(row.image, level, kinds)
                split = row.split or (kind or placed if several else placed or kind) or "train"
                rows.setdefault(split, []).append(row)
        return rows

    def place(self, listings: Sequence[Listing], kind: str) -> str:
        """Where the rows of one split come from."""
        own = [listing for listing in listings if _kind(listing) == kind] if len(listings) > 1 else []
        return escaped(own[0].name) if own else f'the rows "{kind}" of {self.shown(listings)}'

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
            left = branch.count - count
            are = "is" if left == 1 else "are"
            notes.append(f"{counted(left, 'image')} without a label in the label file {are} left out")
        return {name: sorted(classes[name]) for name in sorted(classes, key=int if numbers else None)}


def _kind(listing: Listing) -> str | None:
    """The split that a label file's name means."""
    return split_kind(_stem(listing.name))


def _of_splits(listings: Sequence[Listing]) -> bool:
    """Whether there is one file for each of several splits."""
    kinds = [_kind(listing) for listing in listings]
    return len(kinds) > 1 and "train" in kinds and None not in kinds and len({*kinds}) == len(kinds)


def _placed(image: str, level: Branch, kinds: Mapping[str, str]) -> str | None:
    """The split of the folder that an image lies in."""
    below = image[len(level.name) :] if image.startswith(level.name) else ""
    return kinds.get(below.partition("/")[0])


def _parts_only(branch: Branch) -> bool:
    """Whether all folders with images are parts of a set, such as ``images_part_1`` and ``images_part_2``."""
    return len(branch.inner) > 1 and are_places(set(branch.inner))


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]


def _is_label_file(name: str) -> bool:
    last = name.rpartition("/")[2].lower()
    return last == STYLEGAN or last.endswith(ENDINGS)
