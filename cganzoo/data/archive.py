"""Tar archives, checked and then unpacked once into the cache.

An archive may come from anywhere, so only plain files and folders inside the archive's own folder are written: a name
and bytes, without links, modes, owners or times. tarfile's extraction filters are not used: not every Python 3.10 has
them.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import secrets
import shutil
import stat
import tarfile
import unicodedata
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from cganzoo._util.files import UNFINISHED, make_folder_once, write_whole
from cganzoo._util.text import escaped
from cganzoo.console.reporter import Progress
from cganzoo.errors import DataError

from .cache import cache_folder
from .tree import is_hidden

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")

BLOCK = 1 << 20

CONTENTS = ".contents.json"
"""File with the size and the checksum of each unpacked file; hidden, so that it is no part of the set."""

VERIFIED_BYTES, VERIFIED_FILES = 2 << 30, 20_000
"""Largest contents of which every byte is verified, once in each process; of larger ones, the sizes are."""

_verified: set[Path] = set()


def is_tar(path: Path) -> bool:
    """Whether a file's name ends as a tar archive's does."""
    return path.name.lower().endswith(ENDINGS)


def unpacked(archive: Path, progress: Progress | None = None, say: Callable[[str], object] | None = None) -> Path:
    """The folder with an archive's contents, unpacked now if the cache does not have it; a folder is returned as it is.

    An archive that has changed is unpacked again, and so is one of which an unpacked file is damaged; ``say`` is
    called with a message then.
    """
    if archive.is_dir():
        return archive
    try:
        with archive.open("rb") as file:
            status = os.fstat(file.fileno())
    except OSError as error:
        raise DataError(f"{archive}: cannot be read: {error.strerror}") from error
    content = (str(archive.resolve()), status.st_size, status.st_mtime_ns, CONTENTS)
    key = hashlib.sha256(repr(content).encode()).hexdigest()[:16]
    ending = max((end for end in ENDINGS if archive.name.lower().endswith(end)), key=len, default="")
    place = cache_folder() / "unpacked" / f"{archive.name[: len(archive.name) - len(ending)]}-{key}"
    try:
        if place not in _verified and place.is_dir() and (damage := _damage(place)):
            if say:
                say(f"{place / damage}: is damaged; {archive} is unpacked again")
            _remove(place)
        elif place not in _verified and place.is_dir() and (added := _added(place)):
            raise DataError(
                f"{place / escaped(added)}: was added to the unpacked files of {archive}; move it away, or, to use "
                "it, copy the whole folder and name the copy as data.root"
            )
        make_folder_once(place, lambda folder: _unpack(archive, folder, progress))
        _verified.add(place)
        return place
    except OSError as error:
        raise DataError(
            f"{archive}: cannot be unpacked in {place.parent}: {error.strerror or error}; make room, or set "
            "CGANZOO_CACHE to another folder"
        ) from error


def _unpack(archive: Path, folder: Path, progress: Progress | None) -> None:
    members = _safe_members(archive)
    contents: dict[str, tuple[int, str]] = {}
    total, done = sum(member.size for member in members), 0
    free = shutil.disk_usage(folder).free
    if total > free:
        raise OSError(f"it needs {total:,} bytes, and {free:,} are free")
    with tarfile.open(archive) as tar:
        for member in members:
            target = folder / member.name
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member)
            assert content is not None  # it is a plain file
            with content, target.open("xb") as file:
                contents[PurePosixPath(member.name).as_posix()] = (member.size, _copied(content, file))
            done += member.size
            if progress:
                progress(done, total)

    contents.pop(CONTENTS, None)
    write_whole(folder / CONTENTS, json.dumps(contents))


def _copied(content: IO[bytes], file: IO[bytes]) -> str:
    """Copy a file's bytes; returns their checksum."""
    digest = hashlib.sha256()
    while block := content.read(BLOCK):
        digest.update(block)
        file.write(block)
    return digest.hexdigest()


def _damage(place: Path) -> str | None:
    """The name of an unpacked file that is not what was unpacked; ``None`` if all are."""
    if not (place / CONTENTS).is_file():  # reading a FIFO may wait for ever
        return CONTENTS
    try:
        contents = {
            str(name): (int(size), str(digest))
            for name, (size, digest) in json.loads((place / CONTENTS).read_bytes()).items()
        }
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return CONTENTS
    everything = len(contents) <= VERIFIED_FILES and sum(size for size, _ in contents.values()) <= VERIFIED_BYTES
    for name, (size, expected) in contents.items():
        try:
            status = (place / name).stat()
            if not stat.S_ISREG(status.st_mode) or status.st_size != size:
                return name
            if everything and _digest(place / name) != expected:
                return name
        except PermissionError:
            raise
        except OSError:
            return name
    return None


def _added(place: Path) -> str | None:
    """The name of a file in the folder that is not from the archive; ``None`` if there is none."""
    known = {unicodedata.normalize("NFC", name) for name in json.loads((place / CONTENTS).read_bytes())}
    for folder, folders, files in os.walk(place):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for file in sorted(files):
            name = (Path(folder) / file).relative_to(place).as_posix()
            if not is_hidden(file) and unicodedata.normalize("NFC", name) not in known:
                return name
    return None


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _remove(place: Path) -> None:
    """Remove a damaged folder at once, so that no other process sees a part of it."""
    old = place.with_name(f".{place.name}-{secrets.token_hex(4)}{UNFINISHED}")
    with suppress(FileNotFoundError):  # another process removed it first
        place.rename(old)
    shutil.rmtree(old, ignore_errors=True)


def _damaged(archive: Path) -> DataError:
    return DataError(
        f"{archive}: is no tar archive, or is damaged or cut short; get it again, or name the folder that it was "
        "unpacked to"
    )


def _safe_members(archive: Path) -> list[tarfile.TarInfo]:
    """All members, each checked to be harmless. Reads the whole archive and writes nothing."""
    members: list[tarfile.TarInfo] = []
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.size < 0:  # tarfile would go backwards
                    raise _damaged(archive)
                members.append(member)
            # tarfile treats a header that it cannot read as the archive's end; the true end is all zeros.
            assert tar.fileobj is not None
            tar.fileobj.seek(tar.offset)
            while rest := tar.fileobj.read(BLOCK):
                if rest.strip(b"\0"):
                    raise _damaged(archive)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError, ValueError) as error:
        raise _damaged(archive) from error
    files: set[PurePosixPath] = set()
    folders = {PurePosixPath()}
    for member in members:
        # Windows accepts both slashes and knows drives: a name that is safe there is safe everywhere.
        name = PureWindowsPath(member.name)
        if name.anchor or ".." in name.parts:
            raise _refused(archive, member, "its name leads out of the archive's folder")
        if not (member.isreg() or member.isdir()) or member.issparse():
            kind = "a link" if member.issym() or member.islnk() else "a device or another special file"
            raise _refused(archive, member, f"it is {kind}")
        path = PurePosixPath(member.name)
        if path in files or (member.isreg() and path in folders) or not files.isdisjoint(path.parents):
            raise _refused(archive, member, "another member has its name, or is a file where its folder must be")
        (files if member.isreg() else folders).add(path)
        folders.update(path.parents)
    return members


def _refused(archive: Path, member: tarfile.TarInfo, reason: str) -> DataError:
    return DataError(
        f'{archive}: is not unpacked, because of its member "{escaped(member.name)}": {reason}; get the archive from '
        "a source that you trust"
    )
