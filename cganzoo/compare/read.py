"""Reads runs from their folders: state, scores, loss terms, speed. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from cganzoo.errors import CganzooError, RunError
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs import provenance
from cganzoo.runs.manifest import Manifest, Numbers

from . import fairness
from .matrix import Cell, Matrix
from .run_files import DamagedError, damage, is_held, read_manifest

State = Literal["unfinished", "running", "interrupted", "finished", "diverged", "failed"]
"""State of a run. A diverged run is a result and is not repeated; a failed run is tried again.

``running``: in another process. ``interrupted``: its process ended without a word, by a kill or a power failure.
"""

LARGEST = 1e100
"""A number of this size or more in a file is not a score or a time; means of such numbers could overflow."""

ENDED: tuple[State, ...] = ("finished", "diverged", "failed")


@dataclass
class States:
    """The state of every run, and the error of those that failed or that another process holds."""

    of: dict[Cell, State] = field(default_factory=dict)
    errors: dict[Cell, str] = field(default_factory=dict)


def read_states(matrix: Matrix, *, fresh: bool = False) -> States:
    """The states before anything is trained. A damaged run counts as failed and does not stop the others.

    A run of another recipe or of other code raises :class:`RunError`, except if ``fresh`` trains it again.
    """
    found = States()
    for cell in matrix.cells:
        try:
            with damage(cell.folder.path):
                found.of[cell], refusal = _state(cell, fresh)
        except DamagedError as error:
            again = f"; or remove {cell.folder.path} to train the run again" if cell.resolved else ""
            found.of[cell], found.errors[cell] = "failed", f"{error}{again}"
            continue
        if refusal:
            raise RunError(refusal)
    return found


def _state(cell: Cell, fresh: bool) -> tuple[State, str]:
    """The state of a run, and why its folder must not be used for the recipe; empty if it may be."""
    resolved, folder = cell.resolved, cell.folder
    if resolved and fresh:
        return "unfinished", ""
    manifest = read_manifest(folder)
    status: State = next((state for state in ENDED if state == manifest.status), "unfinished")
    if manifest.status == "running":
        held = is_held(folder)
        status = "running" if held else status if held is None else "interrupted"
    if resolved is None:
        return status, ""
    open_state: State = "unfinished" if status in ENDED else status
    changed = _changed_code(manifest, resolved)
    scored = not resolved.metrics or manifest.evaluation is not None
    same = manifest.recipe_digest == resolved.recipe_digest() and not changed
    # A run that diverged before its first checkpoint has none, and would diverge again.
    if same and (status == "diverged" or (status == "finished" and scored)):
        return status, ""
    if not folder.has_checkpoints():
        if status == "finished":
            return status, (
                f"{folder.path}: contains a finished run of another recipe or of other code, without its checkpoints; "
                "choose another --out, or --fresh to start over"
            )
        return open_state, ""
    for file in (folder.manifest_file, folder.recipe_file):
        if not file.is_file():
            raise DamagedError(f"{folder.path}: has checkpoints but no {file.name}")
    try:
        folder.recipe()
    except CganzooError as error:
        raise DamagedError(f"{folder.path}: its recipe cannot be read: {error}") from error
    try:
        folder.check_same_recipe(resolved)
    except RunError as error:
        return open_state, str(error)
    if changed:
        how = f"other code ({', '.join(changed)} changed since)" if manifest.code else "code of an older cganzoo"
        return open_state, (
            f"{folder.path}: this run was made with {how}; choose another --out, or remove the folder to train it "
            "again, or compare the runs as they are by naming their folders"
        )
    return open_state, ""  # or failed, or finished and to be scored again


def _changed_code(manifest: Manifest, resolved: Resolved) -> list[str]:
    """The distributions whose code differs now from their code in one or more calls of the run."""
    now = provenance.code(resolved.providers)
    before = [manifest.code, *(call.code for call in manifest.calls)]
    return sorted({name for code in before for name in now if code.get(name) != now[name]})


@dataclass(frozen=True, eq=False)
class Run:
    """The records of a run. Scores, loss terms and speed are dicts with the step as key."""

    cell: Cell
    state: State
    manifest: Manifest
    scores: Mapping[int, Numbers]
    terms: Mapping[int, Numbers]
    speed: Mapping[int, tuple[float, float]]  # images per second, and seconds of training until then
    damaged_lines: int = 0  # of metrics.jsonl, which are left out

    @property
    def last_step(self) -> int | None:
        """The last step of a finished and scored run. An earlier evaluation does not replace a missing last one."""
        step = self.manifest.step
        return step if self.state == "finished" and step in self.scores else None

    @property
    def protocol(self) -> Mapping[str, Any]:
        """How the last scores were measured; empty if there are none."""
        return self.manifest.evaluation.protocol if self.manifest.evaluation and self.last_step is not None else {}

    @property
    def images_per_second(self) -> float | None:
        """Median of the speeds in the run's log."""
        return median(speed for speed, _ in self.speed.values()) if self.speed else None

    def seconds_at(self, step: int) -> float | None:
        """Training time until a step, without evaluations."""
        return max((seconds for at, (_, seconds) in self.speed.items() if at <= step), default=None)


def read_run(cell: Cell, state: State) -> Run:
    """Read a run's records; raises :class:`DamagedError`."""
    folder = cell.folder
    with damage(folder.manifest_file):
        manifest = _without_absurd_numbers(read_manifest(folder))
    scores: dict[int, Numbers] = {}
    terms: dict[int, Numbers] = {}
    speed: dict[int, tuple[float, float]] = {}
    with damage(folder.metrics_file):
        damaged_lines = folder.damaged_lines()
        for record in folder.records():
            step = record["step"]
            if "scores" in record:  # of a step that was scored twice, the last scores count
                scores[step] = _numbers(record["scores"])
            if "terms" in record:
                terms[step] = _numbers(record["terms"])
                rate, seconds = _number(record.get("images_per_second")), _number(record.get("seconds"))
                if rate is not None and seconds is not None:
                    speed[step] = rate, seconds
    if not cell.method.metrics:
        scores = {}  # the recipe asks for no scores; these are of an earlier one
    elif state == "finished":
        if manifest.step is None or manifest.evaluation is None:
            raise DamagedError(
                f"{folder.path}: is finished, but its manifest.json has no complete scores of the last step; run its "
                "recipe again"
            )
        with damage(folder.manifest_file):
            fairness.check_protocol(manifest.evaluation.protocol)
        scores[manifest.step] = manifest.evaluation.scores
    return Run(cell, state, manifest, scores, terms, speed, damaged_lines)


def _numbers(values: Mapping[str, Any]) -> Numbers:
    return {name: _number(value) for name, value in values.items()}


def _number(value: Any) -> float | None:
    """The number, or ``None`` if it is not one that can be averaged."""
    return float(value) if value is not None and abs(value) < LARGEST else None


def _without_absurd_numbers(manifest: Manifest) -> Manifest:
    manifest.seconds = _number(manifest.seconds)
    manifest.peak_memory = dict(_numbers(manifest.peak_memory))
    if evaluation := manifest.evaluation:
        for part in ("scores", "real_test", "real_halves"):
            setattr(evaluation, part, _numbers(getattr(evaluation, part)))
        evaluation.per_class = {name: [*map(_number, values)] for name, values in evaluation.per_class.items()}
    return manifest
