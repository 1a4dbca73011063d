"""The names of checkpoints: which files of a folder are checkpoints, and of which steps. Imports no torch."""

from __future__ import annotations

import os
import re
from pathlib import Path

from cganzoo._util.files import names_in

from .manifest import system_errors

_NAME = re.compile(r"step-([0-9]{1,12})\.pt")


def path_of(folder: Path, step: int) -> Path:
    """The file that a checkpoint of this step is written to."""
    return folder / f"step-{step:08d}.pt"


def files(folder: Path) -> dict[int, Path]:
    """The checkpoints in ``folder`` by step, oldest first, whatever their names are padded to; they are not opened.

    Raises:
        RunError: the folder cannot be listed.
    """
    advice = "remove this file and put the folder back" if os.path.isfile(folder) else "put the folder back"
    with system_errors(folder, "cannot be read", f"; {advice}, or choose another --out"):
        names = set(names_in(folder))
    found = {int(match[1]): folder / match[0] for match in map(_NAME.fullmatch, names) if match}
    # Of two files of one step, the one that cganzoo wrote.
    own = {step: path_of(folder, step) for step in sorted(found)}
    return {step: path if path.name in names else found[step] for step, path in own.items()}
