"""Finds the images that a label file names: by path, by path without ending, or by the name alone."""

from __future__ import annotations

import unicodedata
from functools import cached_property

from cganzoo._util.text import escaped, shortened
from cganzoo.errors import DataError

from .branch import Branch

LONGEST = 200  # parts of a path in a table


class Finder:
    """The images at and below one folder.

    Args:
        branch: the folder of the label file.
        preferred: folders to look in first where a name alone is given: those of the label file's split.
    """

    def __init__(self, branch: Branch, preferred: tuple[Branch, ...] = ()) -> None:
        self.branch, self._preferred = branch, preferred
        self._by_length: dict[int, dict[str, list[str]]] = {}

    def everything(self) -> list[str]:
        """All images, sorted."""
        return self._names

    def has(self, file: str) -> bool:
        """Whether there is such an image."""
        return bool(self._matches(file))

    def find(self, file: str, where: str) -> str:
        """The image's name in the tree; ``where`` is what messages begin with."""
        matches = self._matches(file)
        if len(matches) == 1:
            return matches[0]
        shown = escaped(shortened(file, 80))
        if not matches:
            raise DataError(f'{where} names "{shown}", and there is no such image; add it, or remove the entry')
        raise DataError(
            f'{where} names "{shown}", and there are several such images: {escaped(matches[0])} and '
            f"{escaped(matches[1])}; write their folders, too"
        )

    @cached_property
    def _names(self) -> list[str]:
        return self.branch.all_images()

    @cached_property
    def _paths(self) -> dict[str, list[str]]:
        """Path below the folder, with and without ending, to the image's name in the tree."""
        found: dict[str, list[str]] = {}
        for name in self._names:
            path = name[len(self.branch.name) :]
            for key in {_same(path), _same(_without_ending(path))}:
                found.setdefault(key, []).append(name)
        return found

    @cached_property
    def _lasts(self) -> list[dict[str, list[str]]]:
        """A file's own name, with and without ending, to names in the tree: of the preferred folders, then of all."""
        tables = []
        for names in ([name for folder in self._preferred for name in folder.all_images()], self._names):
            table: dict[str, list[str]] = {}
            for name in names:
                last = _same(name.rpartition("/")[2])
                for key in {last, _without_ending(last)}:
                    table.setdefault(key, []).append(name)
            tables.append(table)
        return tables

    def _matches(self, file: str) -> list[str]:
        parts = [part for part in file.replace("\\", "/").split("/") if part not in ("", ".")]
        if not parts or ".." in parts or len(parts) > LONGEST:
            return []
        path = _same("/".join(parts))
        parts = path.split("/")
        if len(parts) == 1:
            preferred, everywhere = self._lasts
            return preferred.get(path) or self._paths.get(path) or everywhere.get(path, [])
        if path in self._paths:
            return self._paths[path]
        # The table may leave out the first folders, or name some that are not here.
        if inside := self._tails(len(parts)).get(path):
            return inside
        shorter = ("/".join(parts[first:]) for first in range(1, len(parts)))
        return next((self._paths[end] for end in shorter if end in self._paths), [])

    def _tails(self, length: int) -> dict[str, list[str]]:
        """The last ``length`` parts of each path, with and without ending, to names in the tree."""
        if length not in self._by_length:
            table = self._by_length[length] = {}
            for name in self._names:
                parts = _same(name[len(self.branch.name) :]).rsplit("/", length)
                if len(parts) >= length:
                    tail = "/".join(parts[-length:])
                    for key in {tail, _without_ending(tail)}:
                        table.setdefault(key, []).append(name)
        return self._by_length[length]


def _same(name: str) -> str:
    """One form for letters that can be written in two ways: macOS writes accents as characters of their own."""
    return unicodedata.normalize("NFC", name)


def _without_ending(path: str) -> str:
    at = path.rfind(".")
    return path[:at] if at > path.rfind("/") + 1 else path
