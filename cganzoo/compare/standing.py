"""What an earlier call left of a run, and whether it may be taken for the run that is asked for. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cganzoo.errors import RecipeError, RunError
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs import provenance

from . import checked
from .checked import DamagedError
from .plan import Cell, Plan, State


def standings(plan: Plan, *, fresh: bool = False) -> tuple[dict[Cell, State], dict[Cell, str]]:
    """How far each run is, before anything is trained; and what is wrong with those whose folders are damaged.

    A damaged run counts as failed; the others go on without it.

    Raises:
        RunError: a folder holds a run of another recipe or of other code.
    """
    states: dict[Cell, State] = {}
    damaged = {}
    for cell in plan.cells:
        try:
            states[cell] = standing(cell, fresh=fresh)
        except DamagedError as error:
            states[cell] = "failed"
            again = f"; remove {cell.folder.path} to train it again" if cell.resolved else ""
            damaged[cell] = f"{error}{again}"
    return states, damaged


def standing(cell: Cell, *, fresh: bool = False) -> State:
    """How far a run is.

    Args:
        cell: the run.
        fresh: whether it starts over, if it is one that is trained here.

    Raises:
        DamagedError: the folder cannot be understood.
        RunError: it holds a run of another recipe or of other code.
    """
    if cell.resolved is None:
        return _status(checked.manifest(cell.folder))
    if fresh:
        return "new"
    manifest = checked.manifest(cell.folder)
    status = _status(manifest)
    same = manifest.get("recipe_digest") == cell.resolved.recipe_digest()
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
    if not manifest:
        raise DamagedError("has checkpoints but no manifest.json, so nothing is known of how they were made")
    if not cell.folder.recipe_file.is_file():
        raise DamagedError("has checkpoints but no recipe.toml, so nothing is known of what they are")
    try:
        cell.folder.check_same_recipe(cell.resolved)
    except RecipeError as error:
        raise DamagedError(f"its recipe cannot be read ({error})") from error
    if changed:
        how = f"other code ({', '.join(changed)} changed since)" if manifest.get("code") else "code of an older cganzoo"
        raise RunError(
            f"{cell.folder.path}: this run was made with {how}; choose another --out, or remove the folder to train it "
            "again, or compare the runs as they are by naming their folders"
        )
    return "unfinished"  # or to be tried again, or the same weights to be scored in another way


def _status(manifest: Mapping[str, Any]) -> State:
    found: State = "unfinished"
    for state in ("finished", "diverged", "failed"):
        if manifest.get("status") == state:
            found = state
    return found


def _is_scored(manifest: Mapping[str, Any], resolved: Resolved) -> bool:
    return not resolved.metrics or "scores" in manifest


def _changed_code(manifest: Mapping[str, Any], resolved: Resolved) -> list[str]:
    """Distributions whose code is another now than it was in any call of the run."""
    now = provenance.code(resolved.providers)
    made_with = [manifest.get("code", {}), *(call.get("code", {}) for call in manifest.get("calls", []))]
    return sorted({name for code in made_with for name in now if code.get(name) != now[name]})
