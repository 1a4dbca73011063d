"""Finds run folders and reads their files, each of which may be damaged: one bad run never ends a comparison.

Imports no torch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from cganzoo._util.text import shortened
from cganzoo.config import parse
from cganzoo.errors import CganzooError, RunError
from cganzoo.recipe.keys import ALL_SECTIONS, Sections
from cganzoo.recipe.messages import explain
from cganzoo.recipe.source import parse_toml, read_text
from cganzoo.runs.folder import RunFolder
from cganzoo.runs.manifest import Manifest

RUN_FILES = ("recipe.toml", "manifest.json")
LONGEST = 300  # characters of a reason in a message


class DamagedError(RunError):
    """A run folder whose files cannot be read or do not fit together. The other runs are still compared."""


@contextmanager
def damage(place: Path) -> Iterator[None]:
    """Raise any error of reading a file, of whatever content, as a :class:`DamagedError` that names the place."""
    try:
        yield
    except DamagedError:
        raise
    except CganzooError as error:
        raise DamagedError(str(error)) from error
    except OSError as error:
        raise DamagedError(f"{place}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a file of any content: nested too deep, of another type, beyond all bounds
        reason = shortened(f"{type(error).__name__}: {error}", LONGEST)
        raise DamagedError(f"{place}: is damaged, or another version of cganzoo wrote it ({reason})") from error


def find_runs(place: Path) -> tuple[list[Path], list[str]]:
    """``place`` itself if it is a run, otherwise the runs below it, in the order of their names.

    A run has a recipe or a manifest, or at least checkpoints. Links to folders are not followed. Also returns a
    message for each folder that cannot be read.
    """
    found, unreadable, waiting = set[Path](), list[str](), [place]
    while waiting:  # not recursive: folders may be nested deeper than functions can be
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                inside = list(entries)
            folders = {entry.name for entry in inside if entry.is_dir(follow_symlinks=False)}
            files = {entry.name for entry in inside if entry.name in RUN_FILES and entry.is_file()}
            checkpoints = folder.name == "checkpoints" and any(re.fullmatch(r"step-\d+\.pt", e.name) for e in inside)
        except OSError as error:
            unreadable.append(f"{folder}: cannot be read ({error.strerror or error})")
            continue
        if files:
            found.add(folder)
            folders -= {"checkpoints", "samples"}
            if folder == place:
                break
        if checkpoints and folder != place:
            found.add(folder.parent)
        waiting += [folder / name for name in folders]

    def order(path: Path) -> list[str]:  # seed-9 before seed-10
        return [re.sub(r"\d+", lambda number: number[0].zfill(12), part) for part in path.parts]

    return sorted(found, key=order), sorted(unreadable)


def read_manifest(folder: RunFolder) -> Manifest:
    """The manifest of a run; raises :class:`DamagedError`."""
    with damage(folder.manifest_file):
        _check_regular(folder.manifest_file)
        return folder.manifest()


def read_sections(folder: RunFolder) -> Sections:
    """The resolved recipe of a run. Its plugins need not be installed, and its ``[requires]`` is not checked."""
    file = folder.recipe_file
    with damage(file):
        values = parse_toml(read_text(file), str(file))
        try:
            return parse(ALL_SECTIONS, values)
        except ValidationError as error:
            first = shortened(explain(error, (ALL_SECTIONS,), values, str(file)).splitlines()[0], LONGEST)
            raise DamagedError(f"{first}; the file is damaged, or another version of cganzoo wrote it") from error


def _check_regular(file: Path) -> None:
    """A pipe or a device in the place of a file could be read for ever."""
    if file.exists() and not file.is_file():
        raise DamagedError(f"{file}: is not a file")


def is_held(folder: RunFolder) -> bool | None:
    """Whether a process works in the folder; ``None`` if that cannot be known, as on some network drives."""
    lock = folder.path / ".lock"
    try:
        if not lock.exists():
            return False
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return None
