"""Writing a file so that it is complete or does not exist."""

from __future__ import annotations

import os
from pathlib import Path

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
