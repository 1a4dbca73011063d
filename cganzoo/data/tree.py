"""The files of a data set, below a folder or inside a zip archive, by one interface."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import zipfile
from abc import ABC, abstractmethod
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from cganzoo.errors import DataError

LARGEST_MEMBER = 1 << 30  # bytes; an archive can state any size, and no image is larger
UTF_8 = 1 << 11  # flag of a zip member: its name is UTF-8
TAIL = 1 << 16  # bytes at an archive's end that its fingerprint covers


class Tree(ABC):
    """Files by name: relative to the top, with forward slashes.

    Hidden files and folders, whose names begin with a dot, are left out.

    Attributes:
        path: the folder or the archive, as messages name it.
    """

    path: Path

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Every file and, with a slash at the end, folders (an archive need not list them); in any order."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """A file's bytes; may be called from any thread.

        Raises:
            OSError: it cannot be read.
            ValueError: it is damaged; the message continues one that begins with the file's name.
        """

    def lines(self, name: str) -> list[str]:
        """A text file's lines, without empty ones."""
        try:
            text = self.read(name).decode("utf-8", "replace")
        except FileNotFoundError:
            raise DataError(f"{self.where(name)}: is missing; get the set again") from None
        except (OSError, ValueError) as error:
            raise DataError(f"{self.where(name)}: cannot be read ({error}); get the set again") from error
        return [line for line in text.splitlines() if line.strip()]

    @abstractmethod
    def fingerprint(self) -> str:
        """Changes when any file changes; cheaper than reading the files."""

    def where(self, name: str) -> str:
        """The file as messages name it."""
        return str(self.path / name)


def open_tree(path: str | Path) -> Tree:
    """The files below a folder or in a zip archive. Fast: files are listed when first needed."""
    path = Path(path).expanduser()
    if path.is_dir():
        return FolderTree(path)
    if path.is_file():
        return ZipTree(path)
    raise DataError(f'data.root = "{path}": no such folder or zip archive; name one that holds the set')


class FolderTree(Tree):
    """The files below a folder, links followed. Messages name ``path`` instead, if it was unpacked from an archive."""

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        self.folder = folder
        self.path = path or folder

    @property
    def names(self) -> list[str]:
        """See :class:`Tree`."""
        return self._walked[0]

    def read(self, name: str) -> bytes:
        """See :class:`Tree`."""
        with open(f"{self.folder}/{name}", "rb") as file:
            return file.read()

    def fingerprint(self) -> str:
        """Hash of the folder's path and of every file's name, size and times: reading the files would be slow."""
        return self._walked[1]

    @cached_property
    def _walked(self) -> tuple[list[str], str]:
        names: list[str] = []
        # Two folders may contain files of the same names, sizes and times.
        digest = hashlib.sha256(str(self.folder.resolve()).encode("utf-8", "surrogateescape"))

        def visit(folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> None:
            try:
                status = os.stat(folder)
                with os.scandir(folder) as found:
                    visible = [entry for entry in found if not entry.name.startswith(".")]
                entries = sorted((prefix + entry.name, entry.is_dir(), entry) for entry in visible)
            except OSError as error:
                _refuse(error)
            identity = (status.st_dev, status.st_ino)
            if identity in above:  # a link to one of its own parents
                return
            for name, is_folder, entry in entries:
                if is_folder:
                    names.append(f"{name}/")
                    visit(entry.path, f"{name}/", (*above, identity))
                else:
                    names.append(name)
                    digest.update(repr((name, *_size_and_times(entry))).encode())

        visit(str(self.folder), "", ())
        return names, digest.hexdigest()


def _size_and_times(entry: os.DirEntry[str]) -> tuple[int, int, int]:
    try:
        status = entry.stat()
    except OSError:  # a broken link; reading it raises the error
        return 0, 0, 0
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _refuse(error: OSError) -> NoReturn:
    raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from error


class ZipTree(Tree):
    """The files in a zip archive, read without unpacking it. The constructor reads only its ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        whole = False
        try:
            with path.open("rb") as file:
                begins_as_zip = file.read(4) == b"PK\3\4"
                with suppress(Exception):  # the end is damaged
                    whole = zipfile.is_zipfile(file)
        except OSError as error:
            _refuse(error)
        if not whole:
            raise DataError(
                f"{path}: is cut short: the end of the zip archive is missing or damaged; copy or download it again"
                if begins_as_zip
                else f"{path}: is not a zip archive; name one, or an unpacked folder"
            )

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except Exception as error:  # zipfile raises many kinds for a damaged file, from struct.error to OSError
            raise DataError(
                f"{self.path}: is damaged: its directory cannot be read ({error}); copy or download it again"
            ) from error

    @cached_property
    def _members(self) -> dict[str, zipfile.ZipInfo]:
        members: dict[str, zipfile.ZipInfo] = {}
        for member in self._archive.infolist():
            name = _name(member)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise DataError(
                    f'{self.path}: holds the symbolic link "{name}", and links are not followed; pack the files '
                    "themselves"
                )
            if name.startswith("/") or name[1:3] == ":/" or ".." in name.split("/"):
                raise DataError(
                    f'{self.path}: holds the member "{name}", which points out of the archive; do not trust this file'
                )
            members[name] = member
        return members

    @cached_property
    def names(self) -> list[str]:
        """See :class:`Tree`."""
        # macOS adds a folder __MACOSX.
        return [name for name in self._members if not name.startswith((".", "__MACOSX/")) and "/." not in name]

    def read(self, name: str) -> bytes:
        """See :class:`Tree`."""
        member = self._members.get(name)
        if member is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.where(name))
        if member.file_size > LARGEST_MEMBER:
            raise ValueError(
                f"is stated to have {member.file_size:,} bytes, which no image has; do not trust this file"
            )
        try:
            with self._archive.open(member) as file:
                return file.read(max(1, member.file_size))  # a crafted member may unpack to more than it states
        except RuntimeError as error:  # or its subclass NotImplementedError: an unknown method of compression
            raise ValueError(
                "is encrypted, or compressed by a method not read here; pack the archive anew with deflate and "
                "without a password"
            ) from error
        except Exception as error:  # see _archive
            raise ValueError("is damaged in the archive; copy or download that again") from error

    def fingerprint(self) -> str:
        """Hash of the archive's size, times and last bytes: listing 100,000 members would take a second."""
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                file.seek(max(0, status.st_size - TAIL))
                digest = hashlib.sha256(file.read())
        except OSError as error:
            _refuse(error)
        digest.update(repr((status.st_size, status.st_mtime_ns, status.st_ctime_ns)).encode())
        return digest.hexdigest()


def _name(member: zipfile.ZipInfo) -> str:
    name = member.filename
    if not member.flag_bits & UTF_8:  # zipfile then assumes code page 437, but some archivers write UTF-8
        with suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return name.replace("\\", "/")  # some archivers write their system's separators
