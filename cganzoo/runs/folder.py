"""The run folder: its files, the check that it belongs to a recipe, and one process in it at a time. Imports no torch.

``runs/<recipe>/seed-<n>/`` holds ``recipe.toml`` (resolved), ``manifest.json``, ``metrics.jsonl``, ``log.txt``,
``samples/``, ``checkpoints/`` and the extractor's weights: enough to resume, sample, export and evaluate.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cganzoo._util.checked import DamagedFileError, open_regular, read_text
from cganzoo._util.files import UNFINISHED, write_whole
from cganzoo.errors import RunError
from cganzoo.recipe.digests import digest, training_values
from cganzoo.recipe.keys import plain
from cganzoo.recipe.read import Recipe, parse_recipe
from cganzoo.recipe.resolve import Resolved, as_written

from . import checkpoint_names, continuation
from . import manifest as manifests
from .manifest import Manifest, system_errors

REPORT_FILES = ("report.html", "scores.csv", "scores.json", "table.md", "table.tex")
"""What ``cganzoo report`` and ``cganzoo compare`` write."""

MOST_RECIPE, MOST_LINE = 16 << 20, 4 << 20
"""Bytes of a resolved recipe, and of a line of ``metrics.jsonl``, that are read; cganzoo writes far fewer."""

LARGEST_STEP = 1 << 53
"""Steps of a record; every program reads such a number from JSON as it is."""

DEEPEST = 32
"""Levels of folders that are searched for a run."""


class BusyError(RunError):
    """Another process uses the folder."""


class RunFolder:
    """Names of the files of a run, and reading and writing the small ones."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe_file = path / "recipe.toml"
        self.manifest_file = path / "manifest.json"
        self.metrics_file = path / "metrics.jsonl"
        self.log_file = path / "log.txt"
        self.samples = path / "samples"
        self.checkpoints = path / "checkpoints"
        self.extractor_file = path / "extractor.safetensors"

    def grid_file(self, step: int) -> Path:
        """The grid of samples of a step."""
        return self.samples / f"step-{step:08d}.png"

    def picture_file(self, name: str, step: int) -> Path:
        """A metric's picture of a step."""
        return self.samples / f"{name}-step-{step:08d}.png"

    def recipe(self, overrides: Iterable[str] = ()) -> Recipe:
        """The resolved recipe of the run."""
        name, source = self.path.parent.name, str(self.recipe_file)
        return parse_recipe(self.recipe_text(), name=name, source=source, overrides=overrides)

    def recipe_text(self) -> str:
        """The resolved recipe of the run, as TOML."""
        with system_errors(self.recipe_file, "cannot be read", "; this run folder is incomplete"):
            try:
                return read_text(self.recipe_file, MOST_RECIPE)
            except DamagedFileError as error:
                raise RunError(
                    f"{self.recipe_file}: is damaged: {error}; put back a copy of the file, or run the recipe again "
                    "with --fresh"
                ) from error

    def recipe_values(self) -> dict[str, Any]:
        """The values of the resolved recipe, as :meth:`cganzoo.recipe.resolve.Resolved.values` gives them."""
        return as_written(plain(self.recipe().sections))

    def manifest(self) -> Manifest:
        """The record of the run; an empty one before the first write."""
        return manifests.read(self.manifest_file)

    @contextmanager
    def update_manifest(self) -> Iterator[Manifest]:
        """Yield the manifest for changes, and write it after the block. If the block raises, the file is unchanged."""
        manifest = self.manifest()
        yield manifest
        manifests.write(self.manifest_file, manifest)

    def records(self) -> list[dict[str, Any]]:
        """The records of ``metrics.jsonl``; lines without one are left out, see :meth:`damaged_lines`.

        Raises:
            RunError: there is something else in the place of the file, or the system cannot read it.
        """
        return [record for record in map(_record, self._lines()) if record is not None]

    def damaged_lines(self) -> int:
        """Number of lines of ``metrics.jsonl`` without a record, except for an incomplete last one: kills leave it."""
        return sum(line.endswith(b"\n") and _record(line) is None for line in self._lines())

    def _lines(self) -> Iterator[bytes]:
        """The lines of ``metrics.jsonl``; of a longer one than any record, a part."""
        with system_errors(self.metrics_file, "cannot be read"), ExitStack() as stack:
            try:
                file = stack.enter_context(open_regular(self.metrics_file))
            except FileNotFoundError:  # before the first record
                return
            while line := file.readline(MOST_LINE):
                part = line
                while len(part) == MOST_LINE and not part.endswith(b"\n"):
                    part = file.readline(MOST_LINE)
                yield line if part is line else line + b"\n"

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a line to ``metrics.jsonl``."""
        with system_errors(self.metrics_file, "saving failed"):
            if self.metrics_file.exists() and not self.metrics_file.is_file():
                raise OSError(None, "it is not a regular file", str(self.metrics_file))
            with self.metrics_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def put_scores(self, step: int, scores: Mapping[str, Any]) -> None:
        """Add the scores of a step to ``metrics.jsonl``, instead of those of the same step if there are any."""
        record, found = {"step": step, "scores": scores}, self.records()
        if any(self._scored(other, step) for other in found):
            self._rewrite([*(other for other in found if not self._scored(other, step)), record])
        else:
            self.append(record)

    @staticmethod
    def _scored(record: Mapping[str, Any], step: int) -> bool:
        return record["step"] == step and "scores" in record

    def drop_records_after(self, step: int) -> None:
        """Remove the records of later steps from ``metrics.jsonl``, because a resumed run repeats these steps."""
        self._rewrite(record for record in self.records() if record["step"] <= step)

    def _rewrite(self, records: Iterable[Mapping[str, Any]]) -> None:
        with system_errors(self.metrics_file, "saving failed"):
            write_whole(self.metrics_file, "".join(json.dumps(record) + "\n" for record in records))

    def clear(self) -> None:
        """Remove the files of the run; other files in the folder stay."""
        unfinished = f".*{UNFINISHED}"
        files = [
            *(self.recipe_file, self.manifest_file, self.metrics_file, self.log_file, self.extractor_file),
            *(self.path / name for name in REPORT_FILES),
            *self.path.glob(unfinished),
            *self.checkpoints.glob("step-*.pt"),
            *self.checkpoints.glob(unfinished),
            *self.samples.glob("step-*.png"),
            *self.samples.glob("*-step-*.png"),
        ]
        for file in files:
            with system_errors(file, "cannot be removed"):
                file.unlink(missing_ok=True)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Lock the folder against other processes; raises :class:`BusyError`. A kill also releases the lock."""
        lock = FileLock(self.path / ".lock", timeout=0)
        with system_errors(self.path, "cannot be written", "; choose another --out"):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire()
            except Timeout as error:
                raise BusyError(
                    f"{self.path}: another cganzoo is running here; wait for it, or choose another --out"
                ) from error
        try:
            yield
        finally:
            lock.release()

    def check_same_recipe(self, resolved: Resolved) -> None:
        """Raise an error if this folder has checkpoints that the recipe cannot continue.

        See :func:`cganzoo.runs.continuation.obstacle`.
        """
        if not self.has_checkpoints():
            return
        _check_kind(self.recipe_file)
        if not self.recipe_file.is_file():
            raise RunError(f"{self.path}: holds checkpoints but no recipe.toml; choose another --out, or --fresh")
        for file in self.checkpoint_files().values():
            if not file.is_file():  # it could not be replaced either, when the training reaches this step
                raise RunError(f"{file}: is no regular file; remove it")
        stored = self.recipe_values()
        # A file that was renamed to a later step than the run has shows nothing.
        reached = max((step for step in self.checkpoint_files() if step <= stored["train"]["steps"]), default=0)
        unknown = not self.manifest().data.fingerprint
        if problem := continuation.obstacle(resolved, stored, reached, places=unknown):
            raise RunError(f"{self.path}: {problem}")

    def changed_horizon(self, resolved: Resolved) -> int | None:
        """The steps that the schedules of this run's checkpoints follow, if the recipe's follow another number."""
        return continuation.other_horizon(resolved, self.recipe_values()) if self.has_checkpoints() else None

    def is_of(self, resolved: Resolved) -> bool:
        """Whether the manifest was last written for this recipe; the images may lie elsewhere since."""
        written = self.manifest().recipe_digest
        if not written or written == resolved.recipe_digest():
            return bool(written)
        return self.recipe_file.is_file() and written == resolved.recipe_digest(self.recipe_values()["data"])

    def names_other_images(self, resolved: Resolved) -> bool:
        """Whether the recipe names another place of the images than the last call of this run did."""
        stored = self.recipe_values() if self.recipe_file.is_file() else {"data": {}}
        return bool(stored["data"].get("root") != resolved.values()["data"].get("root"))

    def training_digests(self, resolved: Resolved) -> set[str]:
        """The training digests that checkpoints of this run may have: those of its calls, with any place or length."""
        if not self.has_checkpoints():
            return set()
        # Those of the stored recipe as well, in case the manifest is lost; cganzoo 0.1 included the place.
        stored = [resolved.identity(self.recipe_values(), places=places) for places in (False, True)]
        return {*(digest(training_values(values)) for values in stored), *self.manifest().training_digests}

    def has_checkpoints(self) -> bool:
        """Whether the run has done a step that is kept."""
        return bool(self.checkpoint_files())

    def checkpoint_files(self) -> dict[int, Path]:
        """The files of the checkpoints by step, oldest first."""
        return checkpoint_names.files(self.checkpoints)

    def begin(self, resolved: Resolved, *, fresh: bool) -> None:
        """Write the recipe. With ``fresh``, or if there is no checkpoint, the files of earlier calls are removed.

        If the recipe scores in another way than before, the scores in the manifest are removed and those in
        ``metrics.jsonl`` are renamed to ``retired_scores``, so that they are not read as new scores.
        """
        anew = fresh or not self.has_checkpoints()
        for place in (self.samples, self.checkpoints):  # before anything is removed
            if os.path.isfile(place):
                raise RunError(f"{place}: is a file, but must be a folder; remove it")
            with system_errors(place, "cannot be written", "; choose another --out"):
                place.mkdir(exist_ok=True)
        if anew:
            self.clear()
        else:
            there, here = self.recipe_values(), resolved.values()
            if any(there.get(table) != here.get(table) for table in ("evaluation", "metrics")):
                self._retire_scores()
        with system_errors(self.path, "cannot be written", "; choose another --out"):
            write_whole(self.recipe_file, resolved.toml())

    def _retire_scores(self) -> None:
        self._rewrite(
            {"retired_scores" if name == "scores" else name: value for name, value in record.items()}
            for record in self.records()
        )
        with self.update_manifest() as manifest:
            manifest.evaluation = None

    def check_same_images(self, fingerprint: str) -> None:
        """Raise an error if the training images differ from those at the start of the run."""
        began_with = self.manifest().data.fingerprint if self.has_checkpoints() else ""
        if began_with and began_with != fingerprint:
            raise RunError(
                f"{self.path}: the images are not those that this run began with; set data.root to "
                f"the place of the same images, or {continuation.START_OVER}"
            )


def _record(line: bytes) -> dict[str, Any] | None:
    """The record in a line of ``metrics.jsonl``, if it has one: its values are numbers or ``None``."""
    with suppress(ValueError, RecursionError):
        record = json.loads(line.decode())
        if isinstance(record, dict) and type(record.get("step")) is int and 0 <= record["step"] <= LARGEST_STEP:
            tables = [record.get(name, {}) for name in ("scores", "terms", "retired_scores")]
            if all(isinstance(table, dict) for table in tables):
                values = [record.get("seconds"), record.get("images_per_second")]
                values += [value for table in tables for value in table.values()]
                if all(value is None or type(value) in (int, float) for value in values):
                    return record
    return None


def _check_kind(recipe_file: Path) -> None:
    """Raise an error if this file is something else than a regular file, for which it would count as absent."""
    if os.path.lexists(recipe_file) and not os.path.isfile(recipe_file):
        raise RunError(f"{recipe_file}: is no regular file; remove it, and put back a copy of the file")


def find_run(path: str | Path) -> RunFolder:
    """The run folder at ``path``, or the only one below it."""
    place = Path(path).expanduser()
    if (place / "recipe.toml").is_file():
        return RunFolder(place)
    if not place.is_dir():
        raise RunError(f"{path}: {'is a file, not a' if place.exists() else 'no such'} run folder")
    below = sorted(_runs_below(place))
    if len(below) == 1:
        _check_kind(below[0] / "recipe.toml")
        return RunFolder(below[0])
    if not below:
        raise RunError(f"{path}: holds no run (a folder with recipe.toml and checkpoints/)")
    names = ", ".join(str(run) for run in below[:5]) + (", ..." if len(below) > 5 else "")
    raise RunError(f"{path}: holds {len(below)} runs; name one of {names}")


def _runs_below(place: Path) -> Iterator[Path]:
    """The folders with ``recipe.toml`` and ``checkpoints/``, up to :data:`DEEPEST` levels deep; links are not followed.

    A folder that cannot be read is passed over.
    """
    waiting = [(place, 0)]
    while waiting:
        folder, depth = waiting.pop()
        names = {"recipe.toml": False, "checkpoints": False}
        below = []
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name in names:
                    names[entry.name] = entry.name == "recipe.toml" or entry.is_dir()
                if entry.is_dir(follow_symlinks=False):
                    below.append((folder / entry.name, depth + 1))
        if all(names.values()):
            yield folder  # its own folders hold no runs
        elif depth < DEEPEST:
            waiting += below
