"""What an earlier call left of a run, and whether it may be taken for the run that is asked for. No torch."""

from __future__ import annotations

from typing import Any

from cganzoo import provenance
from cganzoo.errors import RunError
from cganzoo.resolution import Resolved
from cganzoo.runs import RunFolder

from .plan import Cell

NEW, UNFINISHED, FINISHED, DIVERGED, FAILED = "new", "unfinished", "finished", "diverged", "failed"
SCORED = ("scores", "real_test", "real_halves", "protocol")


def standing(cell: Cell, *, fresh: bool = False) -> str:
    """How far a run is: ``"new"``, ``"unfinished"``, ``"finished"``, ``"diverged"`` or ``"failed"``.

    Args:
        cell: the run.
        fresh: whether it starts over, if it is one that is trained here.

    Raises:
        RunError: the folder holds a run of another recipe or of other code, or its manifest is damaged.
    """
    if cell.resolved is None:
        return _as_it_is(cell.folder.manifest())
    if fresh or not any(cell.folder.checkpoints.glob("step-*.pt")):
        # A run that diverged before its first checkpoint left none, and would diverge again.
        manifest = {} if fresh else cell.folder.manifest()
        same = _is_same(manifest, cell.resolved) and manifest.get("status") == "diverged"
        return DIVERGED if same else NEW
    cell.folder.refuse_another(cell.resolved)
    manifest = cell.folder.manifest()
    _refuse_other_code(cell.folder, manifest, cell.resolved)
    if manifest.get("recipe") != cell.resolved.digest():
        return UNFINISHED  # the same weights, scored in another way
    status = _as_it_is(manifest)
    if status == FINISHED and cell.resolved.metrics and not all(key in manifest for key in SCORED):
        return UNFINISHED
    return UNFINISHED if status == FAILED else status


def _as_it_is(manifest: dict[str, Any]) -> str:
    status = manifest.get("status")
    return status if status in (FINISHED, DIVERGED, FAILED) else UNFINISHED


def _is_same(manifest: dict[str, Any], resolved: Resolved) -> bool:
    return manifest.get("recipe") == resolved.digest() and not _other_code(manifest, resolved)


def _other_code(manifest: dict[str, Any], resolved: Resolved) -> list[str]:
    """Distributions whose code is another now than it was in any call of the run."""
    now = provenance.code(resolved.providers)
    made_with = [manifest.get("code", {}), *(call.get("code", {}) for call in manifest.get("calls", []))]
    return sorted({name for code in made_with for name in now if code.get(name) != now[name]})


def _refuse_other_code(folder: RunFolder, manifest: dict[str, Any], resolved: Resolved) -> None:
    if changed := _other_code(manifest, resolved):
        raise RunError(
            f"{folder.path}: this run was made with other code ({', '.join(changed)} changed since); choose another "
            f"--out, or --fresh to start over, or compare the runs as they are by naming their folders"
        )
