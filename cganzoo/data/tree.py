"""The files of a data set, below a folder or inside an archive, by one interface."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from abc import ABC, abstractmethod
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Literal, NoReturn

from cganzoo._util.text import escaped
from cganzoo.errors import DataError

LARGEST_FILE = 1 << 28
"""Bytes of the largest file that is read: a 24-bit image of the most pixels that are decoded, without compression."""

DEEPEST = 100  # folders inside each other
MOST_PATHS = 64  # to one folder, through links

SYSTEM = frozenset(
    [
        "__macosx",
        "@eadir",
        "@recycle",
        "@__thumb",
        "@recently-snapshot",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "recycler",
        "lost+found",
        "desktop.ini",
        "thumbs.db",
        "ehthumbs.db",
        "__pycache__",
    ]
) | {"system volume information", "icon\r"}
"""Files and folders, in lower case, that operating systems and network drives add to folders of images."""

DRIVE = re.compile("[A-Za-z]:/")

one_line = escaped


def is_hidden(name: str) -> bool:
    """Whether a file or folder is never part of a data set: its name begins with a dot, or a system adds it."""
    return name.startswith(".") or name.casefold() in SYSTEM


class Tree(ABC):
    """Files by name: relative to the top, with forward slashes.

    Hidden files and folders, and the ones that operating systems add, are left out; see :func:`is_hidden`.

    Attributes:
        path: the folder or the archive, as messages name it.
    """

    path: Path

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Every file and, with a slash at the end, folders (an archive need not list them); in any order."""

    @property
    def special(self) -> int:
        """Number of entries that are no files: FIFOs, devices and sockets, which are never opened."""
        return 0

    @abstractmethod
    def read(self, name: str) -> bytes:
        """A file's bytes; may be called from any thread.

        Raises:
            OSError: it cannot be read.
            ValueError: it is damaged, or too large; the message continues one that begins with the file's name.
        """

    def text(self, name: str, errors: Literal["strict", "replace"] = "replace") -> str:
        """A text file: UTF-8, with or without a byte order mark, or UTF-16 with one.

        Raises:
            DataError: it cannot be read.
            UnicodeDecodeError: it is not UTF-8, and ``errors`` is ``"strict"``.
        """
        try:
            data = self.read(name)
        except FileNotFoundError:
            raise DataError(f"{self.where(name)}: is missing; get the set again") from None
        except OSError as error:
            reason = error.strerror or error
            raise DataError(f"{self.where(name)}: cannot be read ({reason}); get the set again") from error
        except ValueError as error:
            raise DataError(f"{self.where(name)}: {error}") from error
        utf_16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        return data.decode("utf-16" if utf_16 else "utf-8-sig", errors)

    def lines(self, name: str) -> list[str]:
        """A text file's lines, without blank ones and without blanks at their ends."""
        return [line.rstrip() for line in self.text(name).splitlines() if line.strip()]

    @abstractmethod
    def fingerprint(self) -> str:
        """Changes when any file changes; cheaper than reading the files."""

    def where(self, name: str) -> str:
        """The file as messages name it, without control codes."""
        return escaped(str(self.path / name))


def open_tree(path: str | Path) -> Tree:
    """The files below a folder or in a zip archive. Fast: files are listed when first needed."""
    from .zip_tree import ZipTree

    path = Path(path).expanduser()
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a null character
        mode = 0
    if stat.S_ISDIR(mode):
        return FolderTree(path)
    if stat.S_ISREG(mode):
        return ZipTree(path)
    raise DataError(
        f'data.root = "{escaped(str(path))}": '
        + ("is neither a folder nor a file" if mode else "no such folder or zip archive")
        + "; name one that holds the set"
    )


class FolderTree(Tree):
    """The files below a folder, links followed. Messages name ``path`` instead, if it was unpacked from an archive."""

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        self.folder = folder
        self.path = path or folder

    @property
    def names(self) -> list[str]:
        """See :class:`Tree`."""
        return self._walked[0]

    @property
    def special(self) -> int:
        """See :class:`Tree`."""
        return self._walked[2]

    def read(self, name: str) -> bytes:
        """See :class:`Tree`."""
        # Without O_NONBLOCK, opening a FIFO waits until another process writes to it.
        number = os.open(f"{self.folder}/{name}", os.O_RDONLY | getattr(os, "O_NONBLOCK", getattr(os, "O_BINARY", 0)))
        with open(number, "rb") as file:
            status = os.fstat(number)
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("is no file but a FIFO, a device or a folder")
            check_size(status.st_size)
            return file.read()

    def fingerprint(self) -> str:
        """Hash of the folder's path and of every file's name, size and times: reading the files would be slow."""
        return self._walked[1]

    @cached_property
    def _walked(self) -> tuple[list[str], str, int]:
        names, special = list[str](), 0
        # Two folders may contain files of the same names, sizes and times.
        digest = hashlib.sha256(str(self.folder.resolve()).encode("utf-8", "surrogateescape"))
        paths = Counter[tuple[int, int]]()
        # Folders to visit, the next one last: path, name in the tree, identities of the folders above it.
        waiting: list[tuple[str, str, tuple[tuple[int, int], ...]]] = [(str(self.folder), "", ())]
        while waiting:
            folder, prefix, above = waiting.pop()
            try:
                status = os.stat(folder)
                with os.scandir(folder) as found:
                    visible = [entry for entry in found if not is_hidden(entry.name)]
                entries = sorted((prefix + entry.name, entry.is_dir(), entry) for entry in visible)
            except OSError as error:
                refuse(error)
            identity = (status.st_dev, status.st_ino)
            if identity in above:  # a link to one of its own parents: no folder, as a link to nothing is none
                names.append(prefix.rstrip("/"))
                continue
            if prefix:
                names.append(prefix)
            paths[identity] += 1
            if paths[identity] > MOST_PATHS:
                raise DataError(
                    f"{self.where(prefix)}: links lead to this folder by more than {MOST_PATHS} paths; remove links, "
                    "or name a folder without them"
                )
            check_depth(self, prefix)
            inner = []
            for name, is_folder, entry in entries:
                if is_folder:
                    inner.append((entry.path, f"{name}/", (*above, identity)))
                elif (about := _about(entry)) is None:
                    special += 1
                else:
                    names.append(name)
                    digest.update(repr((name, *about)).encode())
            waiting.extend(reversed(inner))
        return names, digest.hexdigest(), special


def _about(entry: os.DirEntry[str]) -> tuple[int, int, int] | None:
    """Size and times of a file; ``None`` if it is no regular file."""
    try:
        status = entry.stat()
    except OSError:  # a broken link; reading it raises the error
        return 0, 0, 0
    return _size_and_times(status) if stat.S_ISREG(status.st_mode) else None


def _size_and_times(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def check_depth(tree: Tree, name: str) -> None:
    """Refuse a file or folder that lies too deep."""
    if name.count("/") > DEEPEST:
        top = "/".join(name.split("/")[:3])
        raise DataError(
            f"{tree.where(top)}: folders lie more than {DEEPEST} levels deep; name a folder without such ones"
        )


def check_size(size: int) -> None:
    """Refuse a file that is too large to be an image."""
    if size > LARGEST_FILE:
        raise ValueError(f"has {size:,} bytes; files of at most {LARGEST_FILE:,} are read")


def refuse(error: OSError) -> NoReturn:
    """The error of a folder or an archive that the system does not let us read."""
    raise DataError(f"{escaped(str(error.filename))}: cannot be read: {error.strerror}") from error
