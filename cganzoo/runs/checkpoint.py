"""Checkpoints: written completely or not at all, the newest few kept, read without executing anything."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import torch

from cganzoo._util.files import write_whole
from cganzoo.errors import RunError

from .manifest import system_errors

_NAME = re.compile(r"step-(\d+)\.pt")


def steps(folder: Path) -> list[int]:
    """Steps of the checkpoints in ``folder``, oldest first."""
    found = (_NAME.fullmatch(path.name) for path in folder.glob("step-*.pt"))
    return sorted(int(match[1]) for match in found if match)


def path_of(folder: Path, step: int) -> Path:
    """The checkpoint file of a step."""
    return folder / f"step-{step:08d}.pt"


def save(folder: Path, state: dict[str, Any], keep: int) -> Path:
    """Write ``state`` as the checkpoint of ``state["step"]``, then keep only the newest ``keep`` up to this step.

    If this fails or is killed, the earlier checkpoints stay. Checkpoints of later steps are removed: the resumed run
    skipped them because they are damaged.
    """
    step = state["step"]
    path = path_of(folder, step)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with system_errors(path, "saving failed", f"; {kept(folder)}; make room, then run the same command again"):
        write_whole(path, buffer.getbuffer())
    present = steps(folder)
    for other in set(present) - set([earlier for earlier in present if earlier <= step][-keep:]):
        path_of(folder, other).unlink(missing_ok=True)
    return path


def kept(folder: Path) -> str:
    """For messages: which checkpoint a run has after an error."""
    last = steps(folder)
    return f"the checkpoint of step {last[-1]} is kept" if last else "there is no earlier checkpoint"


def load(path: Path) -> dict[str, Any]:
    """The tensors and plain values of a checkpoint, on the CPU; raises :class:`RunError` if the file is damaged."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of torch, pickle, zipfile or the system
        raise RunError(f"{path}: is no readable checkpoint ({type(error).__name__})") from error
    if "recipe" in state:  # written by cganzoo 0.1
        state["training_digest"] = state.pop("recipe")
    return state


def newest(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest readable checkpoint, and a message for each newer one that is damaged."""
    damaged: list[str] = []
    for step in reversed(steps(folder)):
        try:
            return load(path_of(folder, step)), damaged
        except RunError as error:
            damaged.append(str(error))
    return None, damaged
