"""Tar archives, checked and then unpacked once into the cache.

An archive may come from anywhere, so only plain files and folders inside the archive's own folder are written: a name
and bytes, without links, modes, owners or times. tarfile's extraction filters are not used: not every Python 3.10 has
them.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from cganzoo._util.files import make_folder_once
from cganzoo.console.reporter import Progress
from cganzoo.errors import DataError

from .cache import cache_folder

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")

BLOCK = 1 << 20


def is_tar(path: Path) -> bool:
    """Whether a file's name ends as a tar archive's does."""
    return path.name.lower().endswith(ENDINGS)


def unpacked(archive: Path, progress: Progress | None = None) -> Path:
    """The folder with an archive's contents, unpacked now if the cache does not have it; a folder is returned as it is.

    An archive that has changed is unpacked again.
    """
    if archive.is_dir():
        return archive
    try:
        with archive.open("rb") as file:
            status = os.fstat(file.fileno())
    except OSError as error:
        raise DataError(f"{archive}: cannot be read: {error.strerror}") from error
    content = (str(archive.resolve()), status.st_size, status.st_mtime_ns)
    key = hashlib.sha256(repr(content).encode()).hexdigest()[:16]
    ending = max((end for end in ENDINGS if archive.name.lower().endswith(end)), key=len, default="")
    place = cache_folder() / "unpacked" / f"{archive.name[: len(archive.name) - len(ending)]}-{key}"
    try:
        return make_folder_once(place, lambda folder: _unpack(archive, folder, progress))
    except OSError as error:
        raise DataError(
            f"{archive}: cannot be unpacked in {place.parent}: {error.strerror or error}; make room, or set "
            "CGANZOO_CACHE to another folder"
        ) from error


def _unpack(archive: Path, folder: Path, progress: Progress | None) -> None:
    members = _safe_members(archive)
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
                shutil.copyfileobj(content, file, BLOCK)
            done += member.size
            if progress:
                progress(done, total)


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
        f'{archive}: is not unpacked, because of its member "{member.name}": {reason}; get the archive from a source '
        "that you trust"
    )
