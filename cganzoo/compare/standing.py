"""What an earlier call left of a run, and whether it may be taken for the run that is asked for. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cganzoo import provenance
from cganzoo.errors import RunError
from cganzoo.resolution import Resolved
from cganzoo.runs import RunFolder

from .plan import Cell, Plan, State

SCORED = ("scores", "real_test", "real_halves", "protocol")


def standings(plan: Plan, *, fresh: bool = False) -> dict[Cell, State]:
    """How far each run is, before anything is trained.

    Raises:
        RunError: as of :func:`standing`.
    """
    return {cell: standing(cell, fresh=fresh) for cell in plan.cells}


def standing(cell: Cell, *, fresh: bool = False) -> State:
    """How far a run is.

    Args:
        cell: the run.
        fresh: whether it starts over, if it is one that is trained here.

    Raises:
        RunError: the folder holds a run of another recipe or of other code, or its manifest is damaged.
    """
    if cell.resolved is None:
        return _status(_manifest(cell.folder))
    if fresh:
        return "new"
    manifest = _manifest(cell.folder)
    status = _status(manifest)
    same = manifest.get("recipe") == cell.resolved.digest()
    changed = _changed_code(manifest, cell.resolved)
    # A run that diverged before its first checkpoint left none, and would diverge again.
    if (
        same
        and not changed
        and (status == "diverged" or (status == "finished" and _is_scored(manifest, cell.resolved)))
    ):
        return status
    if not any(cell.folder.checkpoints.glob("step-*.pt")):
        if status == "finished":
            raise RunError(
                f"{cell.folder.path}: holds a finished run of another recipe or of other code, without its "
                "checkpoints; choose another --out, or --fresh to start over"
            )
        return "new"
    cell.folder.refuse_another(cell.resolved)
    if changed:
        raise RunError(
            f"{cell.folder.path}: this run was made with other code ({', '.join(changed)} changed since); choose "
            "another --out, or --fresh to start over, or compare the runs as they are by naming their folders"
        )
    return "unfinished"  # or to be tried again, or the same weights to be scored in another way


def _manifest(folder: RunFolder) -> Mapping[str, Any]:
    manifest: Any = folder.manifest()
    if not isinstance(manifest, dict):
        raise RunError(f"{folder.manifest_file}: is damaged: it holds no object; --fresh starts over")
    return manifest


def _status(manifest: Mapping[str, Any]) -> State:
    found: State = "unfinished"
    for state in ("finished", "diverged", "failed"):
        if manifest.get("status") == state:
            found = state
    return found


def _is_scored(manifest: Mapping[str, Any], resolved: Resolved) -> bool:
    return not resolved.metrics or all(key in manifest for key in SCORED)


def _changed_code(manifest: Mapping[str, Any], resolved: Resolved) -> list[str]:
    """Distributions whose code is another now than it was in any call of the run."""
    now = provenance.code(resolved.providers)
    made_with = [manifest.get("code", {}), *(call.get("code", {}) for call in manifest.get("calls", []))]
    return sorted({name for code in made_with for name in now if code.get(name) != now[name]})
