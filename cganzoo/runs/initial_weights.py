"""The file of ``train.init``: where it is, and its hash, which stands for its path in a run's recipe. No torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cganzoo.errors import CganzooError, RecipeError, RunError
from cganzoo.recipe.resolve import Resolved

from .folder import RunFolder, find_run
from .manifest import system_errors

BLOCK = 1 << 20  # bytes


def with_hash(resolved: Resolved, folder: RunFolder, *, fresh: bool = False) -> Resolved:
    """The recipe with ``train.init_sha256``, the hash of its initial weights, if it names any.

    A hash in the recipe stays. A run in ``folder`` that has checkpoints needs the file no more: if it is gone, the hash
    is that of the run. With ``fresh``, the run begins again and needs the file.
    """
    recipe = resolved.recipe
    train = recipe.sections.train
    if train.init is None or train.init_sha256 is not None:
        return resolved
    try:
        file = next(_candidates(train.init))
        _refuse_itself(file, folder)
        found = _sha256(file)
    except RunError as error:
        before = None if fresh else _hash_of_run(folder, train.init)
        if before is None:
            raise RecipeError(f"{recipe.place('train', 'init')}: {error}") from error
        found = before
    sections = recipe.sections.model_copy(update={"train": train.model_copy(update={"init_sha256": found})})
    return replace(resolved, recipe=replace(recipe, sections=sections))


def _hash_of_run(folder: RunFolder, init: str) -> str | None:
    """The hash of the initial weights of the run in ``folder``, if it has begun from a file of this name."""
    with suppress(CganzooError):
        train = folder.recipe().sections.train if folder.has_checkpoints() else None
        return train.init_sha256 if train and train.init == init else None
    return None


def initial_file(resolved: Resolved, folder: RunFolder) -> Path:
    """The file of ``train.init`` that has the hash ``train.init_sha256``."""
    train = resolved.recipe.sections.train
    assert train.init is not None
    try:
        for file in _candidates(train.init):
            _refuse_itself(file, folder)
            if _sha256(file) == train.init_sha256:
                return file
    except RunError as error:
        raise RecipeError(f"{resolved.recipe.place('train', 'init')}: {error}") from error
    raise RecipeError(
        f"{resolved.recipe.place('train', 'init')}: {train.init} does not have the SHA-256 that the recipe demands, "
        f"{train.init_sha256}; name the file that has it, or remove train.init_sha256"
    )


def _candidates(init: str) -> Iterator[Path]:
    """The file itself, or the checkpoints of a run, the newest first."""
    kinds = "name a run folder, a checkpoint or an exported file"
    try:
        place = Path(init).expanduser()
        folder, file, missing = place.is_dir(), place.is_file(), not place.exists()
    except (OSError, RuntimeError) as error:  # a name that is too long, or the home of an unknown user
        raise RunError(f"{init}: cannot be read: {getattr(error, 'strerror', None) or error}; {kinds}") from error
    if not folder:
        if not file:
            raise RunError(f"{init}: {'no such file or folder' if missing else 'is no regular file'}; {kinds}")
        yield place
        return
    run = find_run(place)
    files = run.checkpoint_files()
    if not files:
        raise RunError(f"{run.path}: has no checkpoint yet; run it first, or name another run")
    for step in sorted(files, reverse=True):
        yield files[step]


def _refuse_itself(file: Path, folder: RunFolder) -> None:
    if folder.checkpoints.resolve() in file.resolve().parents:
        raise RunError(f"{file}: is a checkpoint of this run, which cannot begin from itself; name another run")


def _sha256(file: Path) -> str:
    found = hashlib.sha256()
    with system_errors(file, "cannot be read"), file.open("rb") as opened:
        while block := opened.read(BLOCK):
            found.update(block)
    return found.hexdigest()
