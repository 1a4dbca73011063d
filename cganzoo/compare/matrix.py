"""The matrix of a comparison: a run and its folder for each method and seed. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cganzoo._util.text import one_line
from cganzoo.errors import CganzooError, RecipeError, RunError
from cganzoo.recipe import bundled
from cganzoo.recipe.digests import OBSERVERS, without_places
from cganzoo.recipe.keys import plain
from cganzoo.recipe.read import load_recipe
from cganzoo.recipe.resolve import Resolved, as_written, resolve
from cganzoo.runs import provenance
from cganzoo.runs.folder import RunFolder
from cganzoo.runs.initial_weights import with_hash
from cganzoo.runs.manifest import Manifest

from .escape import plain_label
from .group import Group, GroupMethod, read_group
from .run_files import DamagedError, find_runs, read_manifest, read_sections


@dataclass(frozen=True, eq=False)
class Method:
    """A row of the matrix. Its name and its label are unique."""

    name: str  # folder of its runs
    label: str  # in tables
    values: dict[str, Any]  # of its recipe with the first seed, as Resolved.values() returns them
    resolved: Resolved | None  # None for runs that were named by their folder
    code: Mapping[str, str]  # hash of the source code of its runs, by distribution
    published: Mapping[str, float] = field(default_factory=dict)  # scores printed in a paper
    images: str = ""  # fingerprint of the training images of runs that were named by their folder

    @property
    def metrics(self) -> list[str]:
        """Names of its metrics."""
        return [metric["name"] for metric in self.values["metrics"]]

    @cached_property
    def identity(self) -> str:
        """A text that is equal for replicas: runs with the same code and, except for the seed, the same recipe."""
        return self._identity(self.values)

    @cached_property
    def identity_of_runs(self) -> str:
        """Like ``identity``, for runs in folders: with the fingerprint of their images, not with the images' place."""
        if not self.images:
            return self.identity
        return self._identity({**without_places(self.values), "images": self.images})

    def _identity(self, values: Mapping[str, Any]) -> str:
        # [requires] says what may be imported, and the code says what was.
        shared = {key: section for key, section in shared_values(values).items() if key != "requires"}
        return json.dumps([shared, dict(self.code)], sort_keys=True, default=str)


@dataclass(frozen=True, eq=False)
class Cell:
    """A run: a method with a seed, and its folder. ``resolved`` is the method's recipe with this seed."""

    method: Method
    seed: int
    folder: RunFolder
    resolved: Resolved | None

    def __str__(self) -> str:
        return f"{self.method.label}, seed {self.seed}"


@dataclass(frozen=True, eq=False)
class Matrix:
    """All runs of a comparison, sorted by method."""

    title: str
    out: Path  # folder of the report, the tables and new runs
    cells: tuple[Cell, ...]
    skipped: tuple[str, ...]  # a message for each folder that is left out
    group: Group | None
    rank_by: tuple[str, str] | None = None  # where the user chose the score that ranks methods, and its name

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods, in the order in which the user named them."""
        return _methods(self.cells)

    @property
    def trains(self) -> bool:
        """Whether a run may have to be trained."""
        return any(cell.resolved for cell in self.cells)


def build_matrix(
    arguments: Sequence[str],
    *,
    seeds: Sequence[int] | None,
    overrides: Sequence[str],
    out: Path | None,
    rank_by: str | None = None,
) -> Matrix:
    """The matrix of recipes, group files and folders of runs, in any mixture; the options are those of the command."""
    for override in overrides:
        if override.partition("=")[0].strip() == "train.seed":
            raise RecipeError(
                f"--set {one_line(override)}: a comparison has several seeds; write them as --seeds 0,1,2"
            )
    sources = [_source(argument) for argument in arguments]
    found = [source for source in sources if isinstance(source, Group)]
    if len(found) > 1:
        raise RecipeError(f"{found[1].source}: is the second group file; compare one at a time")
    group = found[0] if found else None
    only_runs = all(isinstance(source, Path) for source in sources)
    if only_runs and (overrides or seeds):
        option = f"--set {overrides[0]}" if overrides else f"--seeds {','.join(map(str, seeds or ()))}"
        raise RecipeError(f"{option}: is for recipes, but all arguments are runs; name a recipe, or remove it")
    # A comparison of finished runs gets a folder of its own: in "runs", the next comparison would overwrite its tables.
    out = out or (Path("runs", group.file.stem) if group else Path("runs", "comparison") if only_runs else Path("runs"))
    if out.exists() and not out.is_dir():
        raise RunError(f"--out {out}: is a file; name a folder")
    seeds = seeds or (group.content.seeds if group else (0, 1, 2))
    cells: list[Cell] = []
    skipped: list[str] = []
    for source in sources:
        if isinstance(source, Group):
            cells += _of_group(source, overrides, seeds, out)
        elif isinstance(source, str):
            resolved = resolve(load_recipe(source, overrides))
            cells += _of_recipe(resolved, resolved.recipe.name, {}, seeds, out)
        else:
            folders, unreadable = find_runs(source)
            skipped += unreadable
            if not (folders or unreadable):
                raise RunError(f"{source}: contains no run (a folder with recipe.toml and manifest.json)")
            for folder in folders:
                try:
                    cells.append(_of_run(folder))
                except DamagedError as error:
                    skipped.append(str(error))
    cells = list(_with_unique_names(_merge_replicas(cells)))
    if not cells:
        raise RunError(f"there is no run to compare: {'; '.join(skipped)}")
    labels = [method.label for method in _methods(cells)]
    title = ", ".join(labels[:4]) + (f" and {len(labels) - 4} more" if len(labels) > 4 else "")
    chosen = None
    if rank_by is not None:
        chosen = ("--rank-by", rank_by)
    elif group and group.content.rank_by:
        chosen = (f"{group.source}: rank_by", group.content.rank_by)
    return Matrix(group.content.title if group else title, out, tuple(cells), tuple(skipped), group, chosen)


def _methods(cells: Sequence[Cell]) -> tuple[Method, ...]:
    return tuple(dict.fromkeys(cell.method for cell in cells))


def _source(argument: str) -> Path | Group | str:
    """A folder of runs, a group, or a recipe's file or name."""
    if not argument.strip():
        raise RecipeError("an argument is empty; name a recipe, a group of recipes, or a folder of runs")
    place = _folder(argument)
    if place is not None:
        if argument in bundled.names() and not any(find_runs(place)):  # the folder has a recipe's name by chance
            return str(bundled.find_bundled(argument))
        return place
    return read_group(argument) or argument


def _folder(argument: str) -> Path | None:
    """The folder of this name, if there is one."""
    with suppress(OSError, ValueError, RuntimeError):  # too long, or "~" of an unknown user
        place = Path(argument).expanduser()
        return place if place.is_dir() else None
    return None


# --- recipes --------------------------------------------------------------------------------------------------------


@contextmanager
def _named(group: Group, method: GroupMethod) -> Iterator[None]:
    """Name the group and the recipe in the message of a mistake."""
    try:
        yield
    except CganzooError as error:
        raise type(error)(f"{group.source}: {method.recipe}: {error}") from error


def _of_group(group: Group, overrides: Sequence[str], seeds: Sequence[int], out: Path) -> Iterator[Cell]:
    for method in group.content.methods:
        file = group.file.parent / method.recipe
        source, own = file if file.is_file() else method.recipe, [*group.content.set, *method.set]
        with _named(group, method):  # the mistakes of the group's file
            load_recipe(source, own)
        # The last change of a key wins: the command line's.
        recipe = load_recipe(source, [*own, *overrides])
        with _named(group, method):
            resolved = resolve(replace(recipe, name=method.name or recipe.name))
        yield from _of_recipe(resolved, method.label or resolved.recipe.name, method.published, seeds, out)


def _of_recipe(
    resolved: Resolved, label: str, published: Mapping[str, float], seeds: Sequence[int], out: Path
) -> list[Cell]:
    name = resolved.recipe.name
    folders = [RunFolder(out / name / f"seed-{seed}") for seed in seeds]
    replicas = [with_hash(with_seed(resolved, seed), folder) for seed, folder in zip(seeds, folders, strict=True)]
    code = provenance.code(resolved.providers)
    method = Method(name, label, replicas[0].values(), replicas[0], code, published)
    return [Cell(method, seed, folder, replica) for seed, folder, replica in zip(seeds, folders, replicas, strict=True)]


def with_seed(resolved: Resolved, seed: int) -> Resolved:
    """The same recipe with another seed."""
    sections = resolved.recipe.sections
    train = sections.train.model_copy(update={"seed": seed})
    return replace(resolved, recipe=replace(resolved.recipe, sections=sections.model_copy(update={"train": train})))


def shared_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that replicas share: without the seed and without what changes neither weights nor scores.

    The initial weights are compared by their hash, not by the name of their file.
    """
    kept = {key: section for key, section in values.items() if key not in OBSERVERS}
    return {**kept, "train": {key: value for key, value in values["train"].items() if key not in ("seed", "init")}}


# --- folders of runs ------------------------------------------------------------------------------------------------


def _of_run(path: Path) -> Cell:
    """A run that is compared without further training."""
    folder, place = RunFolder(path), path.absolute()
    sections, manifest = read_sections(folder), read_manifest(folder)
    if manifest == Manifest():
        raise DamagedError(f"{path}: has no manifest.json that says how the run ended")
    name = place.parent.name if place.name.startswith("seed-") else place.name
    values = as_written(plain(sections))
    method = Method(name, name, values, None, _code(manifest), images=manifest.data.fingerprint)
    return Cell(method, sections.train.seed, folder, None)


def _code(manifest: Manifest) -> dict[str, str]:
    """Code hashes of all calls that trained the run. If the hashes of a distribution differ, "+" joins them."""
    found: dict[str, dict[str, None]] = {}
    for code in (manifest.code, *(call.code for call in manifest.calls)):
        for name, digest in code.items():
            found.setdefault(name, {})[digest] = None
    return {name: "+".join(hashes) for name, hashes in found.items()}


# --- replicas and names ---------------------------------------------------------------------------------------------


def _merge_replicas(cells: Sequence[Cell]) -> dict[Method, list[Cell]]:
    """The runs of each method. A run that was named twice is kept once; replicas in any folder belong to one method."""
    trained = _methods([cell for cell in cells if cell.resolved])
    names = [method.name for method in trained]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f"{name}: is named twice; give one of the two recipe files another name")
    method_of = {method.identity: method for method in trained}
    known = {cell.folder.path.resolve() for cell in cells if cell.resolved}
    found: dict[Method, list[Cell]] = {}
    for cell in cells:
        method, path = cell.method, cell.folder.path.resolve()
        if not cell.resolved:
            if path in known:
                continue
            known.add(path)
            # The images of a recipe are not known yet, so its runs are found by the place of the images.
            method = method_of.get(method.identity) or method_of.setdefault(method.identity_of_runs, method)
        replicas = found.setdefault(method, [])
        for other in replicas:
            if other.seed == cell.seed:
                raise RunError(
                    f"{cell.folder.path}: has the same recipe, code and seed ({cell.seed}) as {other.folder.path}; "
                    "name only one of them"
                )
        replicas.append(cell)
    return found


def _with_unique_names(runs: Mapping[Method, Sequence[Cell]]) -> Iterator[Cell]:
    """Names and labels for tables: unique, and without control codes or bytes that are not UTF-8."""
    names, labels = {plain_label(method.name) for method in runs if method.resolved}, set[str]()
    for method, cells in runs.items():
        name = plain_label(method.name)
        name = name if method.resolved else _unique(name, names)
        renamed = replace(method, name=name, label=_unique(plain_label(method.label), labels))
        for cell in cells:
            yield replace(cell, method=renamed)


def _unique(name: str, used: set[str]) -> str:
    found, number = name, 2
    while found in used:
        found, number = f"{name} ({number})", number + 1
    used.add(found)
    return found
