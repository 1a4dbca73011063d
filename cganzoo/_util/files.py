"""Writing a file so that it is complete or does not exist."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

UNFINISHED = ".part"
"""Ending of the hidden temporary file that is renamed when complete; a killed process may leave it."""


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


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Have other processes wait that want to write the same file or folder.

    Yields whether they do: not every network drive has locks, and the caller then goes on without one.

    Args:
        path: what is to be written; its folder is there.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire()
    except (OSError, NotImplementedError):
        yield False
        return
    try:
        yield True
    finally:
        with suppress(OSError):  # Windows removes no open file
            Path(lock.lock_file).unlink()
        lock.release()


def move_folder(temporary: Path, place: Path) -> None:
    """Move a folder to its place. Where another process was first, its own stays, as it holds the same."""
    try:
        temporary.rename(place)
    except OSError:
        if not place.is_dir():
            raise
