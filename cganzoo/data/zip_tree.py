"""The files in a zip archive, read without unpacking it."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import zipfile
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from cganzoo._util.text import escaped
from cganzoo.errors import DataError

from .tree import DRIVE, LARGEST_FILE, Tree, check_depth, is_hidden, refuse

UTF_8 = 1 << 11  # flag of a zip member: its name is UTF-8
TAIL = 1 << 16  # bytes at an archive's end that its fingerprint covers


class ZipTree(Tree):
    """The files in a zip archive. The constructor reads only its ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        whole = False
        try:
            with path.open("rb") as file:
                begins_as_zip = file.read(4) == b"PK\3\4"
                with suppress(Exception):  # the end is damaged
                    whole = zipfile.is_zipfile(file)
        except OSError as error:
            refuse(error)
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
                    f'{self.path}: holds the symbolic link "{escaped(name)}", and links are not followed; pack the '
                    "files themselves"
                )
            parts = name.split("/")
            if (name.startswith("/") and name.strip("/")) or DRIVE.match(name) or ".." in parts:
                raise DataError(
                    f'{self.path}: holds the member "{escaped(name)}", which points out of the archive; do not trust '
                    "this file"
                )
            # Some programs write "./a.png", "a//b.png", or a member "/" for the top.
            kept = [part for part in parts if part not in ("", ".")]
            if kept:
                short = "/".join(kept) + "/" * name.endswith("/")
                other = members.get(short, member)
                if other.filename != member.filename and (other.CRC, other.file_size) != (member.CRC, member.file_size):
                    raise DataError(
                        f'{self.path}: holds two different files by the names "{escaped(other.filename)}" and '
                        f'"{escaped(member.filename)}", which mean the same; pack the files anew'
                    )
                members[short] = member
        return members

    @cached_property
    def names(self) -> list[str]:
        """See :class:`Tree`."""
        names = []
        hidden: dict[str, bool] = {"": False}  # folder to whether it or a folder above it is hidden
        for name in self._members:
            folder, _, last = name.rstrip("/").rpartition("/")
            if folder not in hidden:
                check_depth(self, name)
                hidden[folder] = any(map(is_hidden, folder.split("/")))
            if not hidden[folder] and not is_hidden(last):
                names.append(name)
        return names

    def read(self, name: str) -> bytes:
        """See :class:`Tree`."""
        member = self._members.get(name)
        if member is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.where(name))
        if member.file_size > LARGEST_FILE:
            raise ValueError(
                f"is stated to have {member.file_size:,} bytes; files of at most {LARGEST_FILE:,} are read"
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
            refuse(error)
        digest.update(repr((status.st_size, status.st_mtime_ns, status.st_ctime_ns)).encode())
        return digest.hexdigest()


def _name(member: zipfile.ZipInfo) -> str:
    name = member.filename
    if not member.flag_bits & UTF_8:  # zipfile then assumes code page 437, but some archivers write UTF-8
        with suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return name.replace("\\", "/")  # some archivers write their system's separators
