"""Files and folders that are complete or do not exist, even if the process is killed or others write the same ones."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

UNFINISHED = ".part"
"""Ending of the hidden temporary file or folder that is renamed when complete; a killed process may leave it."""

TEMPORARY = re.compile(rf"\.(.+)-[0-9a-f]{{8}}{re.escape(UNFINISHED)}")
"""Name of a temporary folder: a dot, the name it will get, random digits."""

LEFTOVER_AGE = 24 * 60 * 60  # seconds without a change after which any such folder in the same place is removed


def write_whole(path: Path, data: bytes | memoryview | str) -> None:
    """Write a file that is complete or does not exist, even if the process or the machine stops at any time."""
    data = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def names_in(folder: Path) -> list[str]:
    """The names in a folder; none if there is no such folder.

    Raises:
        OSError: there is something, but it cannot be listed: a file, a folder without permission, a link to a disk
            that is not there. ``Path.glob`` finds nothing in these, as if they were empty.
    """
    return os.listdir(folder) if os.path.lexists(folder) else []


@contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Hold the lock of the file or folder ``path``, whose parent folder exists; wait while another process holds it.

    Yields whether it is held: some network drives have no locks, and the caller then works without one.
    """
    file_lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        file_lock.acquire()
    except (OSError, NotImplementedError):
        yield False
        return
    try:
        yield True
    finally:
        with suppress(OSError):  # Windows removes no open file
            Path(file_lock.lock_file).unlink()
        file_lock.release()


def make_folder_once(folder: Path, fill: Callable[[Path], None]) -> Path:
    """The folder, made now if it does not exist: ``fill`` gets a temporary folder, which is renamed when it returns.

    So the folder is complete or does not exist, and of several processes that want it one makes it. Without locks
    each of them may; the first to finish is kept. Nothing is written if the folder exists, so it may be read-only.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with lock(folder) as locked:
        if folder.is_dir():  # another process made it meanwhile
            return folder
        _remove_leftovers(folder, locked)
        temporary = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}{UNFINISHED}")
        try:
            temporary.mkdir()
            fill(temporary)
            _rename(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _rename(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was first, and its folder holds the same
            raise


def _remove_leftovers(folder: Path, locked: bool) -> None:
    """Remove temporary folders: this folder's if no other process can be filling one, others' after a day."""
    for entry in folder.parent.iterdir():
        if name := TEMPORARY.fullmatch(entry.name):
            with suppress(OSError):  # another process moved or removed it first
                changed = max(path.stat().st_mtime for path in (entry, *entry.iterdir()))
                if (locked and name[1] == folder.name) or time.time() - changed > LEFTOVER_AGE:
                    shutil.rmtree(entry, ignore_errors=True)
