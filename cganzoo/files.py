"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

UNFINISHED = ".part"
"""Ending of the hidden file beside its place, which a kill may leave behind."""


def write_whole(path: Path, data: bytes | memoryview | str) -> None:
    """Write a file so that it is there complete, or not at all, whenever the process or the machine stops."""
    data = data.encode() if isinstance(data, str) else data
    beside = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
