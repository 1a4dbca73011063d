"""Checkpoints: written completely or not at all, the newest few kept, their checksums compared whenever one is read.

A checkpoint is a zip archive of ``torch.save``, which holds a CRC-32 of each of its parts. Nothing in it is executed.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cganzoo._util.checked import DamagedFileError, load_torch
from cganzoo._util.files import write_whole
from cganzoo._util.memory import is_out_of_memory
from cganzoo.errors import RunError

from .checkpoint_names import files, path_of
from .manifest import system_errors

NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # Windows has no quota of this name


def steps(folder: Path) -> list[int]:
    """Steps of the checkpoints in ``folder``, oldest first; raises :class:`RunError` if it cannot be listed."""
    return list(files(folder))


def save(folder: Path, state: dict[str, Any], keep: int) -> Path:
    """Write ``state`` as the checkpoint of ``state["step"]``, then keep only the newest ``keep`` up to this step.

    If this fails or is killed, the earlier checkpoints stay. Checkpoints of later steps are removed: the resumed run
    skipped them because they are damaged.
    """
    step = state["step"]
    path = path_of(folder, step)
    buffer = io.BytesIO()
    with _checksums():
        torch.save(state, buffer)
    try:
        write_whole(path, buffer.getbuffer())
    except OSError as error:
        advice = "make room" if error.errno in NO_ROOM else "remove the cause"
        raise RunError(
            f"{path}: saving failed: {error.strerror or error}; {kept(folder)}; {advice}, then run the same command "
            "again"
        ) from error
    present = files(folder)
    newest_few = [earlier for earlier in present if earlier <= step][-keep:]
    for other, file in present.items():
        if other not in newest_few:
            with system_errors(file, "cannot be removed", f"; the checkpoint of step {step} is kept"):
                file.unlink(missing_ok=True)
    return path


def kept(folder: Path) -> str:
    """For messages: which checkpoint a run has after an error, the newest one that is not damaged."""
    for step, file in reversed(files(folder).items()):
        try:
            _load_step(file, step)
        except RunError:
            continue
        except Exception as error:
            if not is_out_of_memory(error):  # which is no damage
                raise
        return f"the checkpoint of step {step} is kept"
    return "there is no earlier checkpoint"


def load(path: Path) -> dict[str, Any]:
    """The tensors and plain values of a checkpoint, on the CPU.

    Raises:
        RunError: the file is damaged, cannot be read, or is not a checkpoint.
    """
    try:
        state = load_torch(path)
        if isinstance(state, dict) and "recipe" in state:  # written by cganzoo 0.1
            state["training_digest"] = state.pop("recipe")
        if problem := _problem(state):
            raise DamagedFileError(problem)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from error
    except DamagedFileError as error:
        raise RunError(f"{path}: is damaged, or not a checkpoint: {error}") from error
    return dict(state)


def newest(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest readable checkpoint, and a message for each newer one that is damaged."""
    damaged: list[str] = []
    for step, file in reversed(files(folder).items()):
        try:
            return _load_step(file, step), damaged
        except RunError as error:
            damaged.append(str(error))
    return None, damaged


def _load_step(file: Path, step: int) -> dict[str, Any]:
    """The state in a run's checkpoint of this step, which its name gives."""
    state = load(file)
    if state["step"] != step:
        own = path_of(file.parent, state["step"]).name
        raise RunError(f"{file}: is damaged, or was renamed: it holds step {state['step']}, so {own} would be its name")
    return state


@contextmanager
def _checksums() -> Iterator[None]:
    """Have torch write checksums, even if other code in this process has switched them off."""
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(True)
    try:
        yield
    finally:
        torch.serialization.set_crc32_options(before)


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < float("inf")


def _random(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.uint8 and value.ndim == 1


_PARTS: dict[str, Callable[[Any], bool]] = {
    "training_digest": lambda value: isinstance(value, str),
    "step": _count,
    "position": _count,
    "seconds": _number,
    "modules": lambda value: _dict_of(value, lambda weights: _dict_of(weights, lambda weight: True)),
    "optimizers": lambda value: _dict_of(value, lambda one: isinstance(one, dict)),
    "random": _random,
    "random_cuda": lambda value: value is None or _random(value),
    "terms": lambda value: _dict_of(value, lambda term: isinstance(term, Tensor) and term.ndim == 1),
}
"""What the parts of a checkpoint must be, where it has them."""


def _dict_of(value: Any, check: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value) and all(map(check, value.values()))


def _problem(state: Any) -> str:
    """What shows that a file is no checkpoint; empty if nothing does. Whether it fits the run is decided later."""
    if not isinstance(state, dict):
        return f"it holds a {type(state).__name__}, not a table"
    if "step" not in state:
        return 'it lacks "step"'
    wrong = [name for name, check in _PARTS.items() if name in state and not check(state[name])]
    return f'its "{wrong[0]}" is not what cganzoo writes' if wrong else ""
