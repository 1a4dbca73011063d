"""The files of a data set, below a folder or inside a zip archive, by one interface."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import weakref
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from cganzoo.errors import DataError

from .zipformat import Member, ZipError, parse_directory, read_directory, read_member


class Tree(ABC):
    """Files by name: relative to the top, with forward slashes.

    Hidden files and folders (of a name that begins with a dot) are left out.

    Attributes:
        path: the folder or the archive.
    """

    path: Path

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Every file and, with a slash at the end, every folder that is known; in no particular order.

        Raises:
            DataError: a folder cannot be listed, or an archive's directory is damaged or points out of it.
        """

    @abstractmethod
    def read(self, name: str) -> bytes:
        """A file's bytes; from any thread.

        Raises:
            OSError: it cannot be read.
            ValueError: it is damaged; the text is the end of a sentence that begins with the file's name.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Changes when any file does; cheaper than reading them."""

    def where(self, name: str) -> str:
        """The file as a person names it."""
        return str(self.path / name)


def open_tree(path: str | Path) -> Tree:
    """The files below a folder or in a zip archive. Quick: nothing is listed before it is needed.

    Raises:
        DataError: there is no such folder or archive, or the archive is cut short.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return FolderTree(path)
    if path.is_file():
        return ZipTree(path)
    raise DataError(f"{path}: no such folder or zip archive")


class FolderTree(Tree):
    """The files below a folder, links followed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def names(self) -> list[str]:
        """See :class:`Tree`."""
        return self._walked[0]

    def read(self, name: str) -> bytes:
        """See :class:`Tree`."""
        with open(f"{self.path}/{name}", "rb") as file:
            return file.read()

    def fingerprint(self) -> str:
        """Hash of every name with its size and time of change: reading every file at each start would be slow."""
        return self._walked[1]

    @cached_property
    def _walked(self) -> tuple[list[str], str]:
        names: list[str] = []
        digest = hashlib.sha256()

        def visit(folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> None:
            try:
                status = os.stat(folder)
                with os.scandir(folder) as found:
                    entries = sorted(found, key=lambda entry: entry.name)
            except OSError as error:
                _refuse(error)
            identity = (status.st_dev, status.st_ino)
            if identity in above:  # a link to a folder that holds it
                return
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                name = prefix + entry.name
                if entry.is_dir():
                    names.append(f"{name}/")
                    visit(entry.path, f"{name}/", (*above, identity))
                else:
                    names.append(name)
                    digest.update(repr((name, *_size_and_time(entry))).encode())

        visit(str(self.path), "", ())
        return names, digest.hexdigest()


def _size_and_time(entry: os.DirEntry[str]) -> tuple[int, int]:
    try:
        status = entry.stat()
    except OSError:  # a link to nowhere: reading it will tell
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _refuse(error: OSError) -> NoReturn:
    raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from error


class ZipTree(Tree):
    """The files inside a zip archive, which is never unpacked.

    Raises:
        DataError: the file cannot be read, or is not a whole zip archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
            weakref.finalize(self, self._file.close)
            self._directory = read_directory(self._file)
        except OSError as error:
            _refuse(error)
        except ZipError as error:
            raise DataError(f"{path}: {error}") from error
        self._lock = threading.Lock()

    @cached_property
    def _members(self) -> dict[str, Member]:
        try:
            return parse_directory(self._directory)
        except ZipError as error:
            raise DataError(f"{self.path}: {error}") from error

    @cached_property
    def names(self) -> list[str]:
        """See :class:`Tree`."""
        return [
            name for name in self._members if not name.startswith((".", "__MACOSX/")) and "/." not in name
        ]  # macOS adds a folder of its own

    def read(self, name: str) -> bytes:
        """See :class:`Tree`."""
        member = self._members.get(name)
        if member is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.where(name))
        return read_member(member, name, self._bytes)

    def _bytes(self, length: int, offset: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), length, offset)
        with self._lock:  # Windows
            self._file.seek(offset)
            return self._file.read(length)

    def fingerprint(self) -> str:
        """Hash of the archive's directory, which holds the name, size and checksum of every file."""
        return hashlib.sha256(self._directory.raw).hexdigest()
