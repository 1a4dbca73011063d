"""What is to be compared: the matrix of methods and seeds, and where each run lies. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from cganzoo._util.toml import tomllib
from cganzoo.config import Config
from cganzoo.errors import CganzooError, RecipeError, RunError
from cganzoo.recipe import bundled
from cganzoo.recipe.read import Recipe, load_recipe
from cganzoo.recipe.resolve import Resolved, resolve
from cganzoo.runs import provenance
from cganzoo.runs.folder import RunFolder

from . import checked
from . import group as groups
from .checked import DamagedError
from .group import Group

SEEDS = (0, 1, 2)

State = Literal["new", "unfinished", "finished", "diverged", "failed"]
"""How far a run is. A diverged one is at its end, a failed one can be tried again."""


@dataclass(frozen=True, eq=False)
class Method:
    """One row of the comparison.

    Attributes:
        name: folder of its runs, unique here.
        label: what tables call it, unique here.
        values: every value of its recipe, as :meth:`~cganzoo.recipe.resolve.Resolved.values` gives them; of the
            first seed.
        resolved: the recipe, where it can be trained here; ``None`` for runs that are taken as they are.
        source: the recipe's file, or the runs' folder.
        code: hashes of the sources that its runs are made with, by distribution.
        published: scores that a paper printed.
    """

    name: str
    label: str
    values: dict[str, Any]
    resolved: Resolved | None
    source: str
    code: Mapping[str, str]
    published: Mapping[str, float] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """Equal for methods whose runs are replicas of one another: the same recipe but for the seed, and code."""
        written = tomllib.loads(self.resolved.toml()) if self.resolved else self.values
        return json.dumps([without_seed(written), dict(self.code)], sort_keys=True, default=str)


@dataclass(frozen=True, eq=False)
class Cell:
    """One run of the matrix: a method with a seed, and its folder. ``resolved`` is the method's with this seed."""

    method: Method
    seed: int
    folder: RunFolder
    resolved: Resolved | None


@dataclass(frozen=True, eq=False)
class Unreadable:
    """A run folder that cannot take part, and why: one sentence."""

    path: Path
    reason: str


@dataclass(frozen=True, eq=False)
class Plan:
    """The whole comparison.

    Attributes:
        title: heading.
        out: where the report and the tables go, and new runs.
        methods: in the order they were named.
        cells: all runs, method by method.
        unreadable: folders that were named, or lie in one that was, and cannot take part.
        group: the group file, if one was named.
    """

    title: str
    out: Path
    methods: tuple[Method, ...]
    cells: tuple[Cell, ...]
    unreadable: tuple[Unreadable, ...] = ()
    group: Group | None = None

    @property
    def trains(self) -> bool:
        """Whether any run may have to be trained."""
        return any(cell.resolved for cell in self.cells)

    def of(self, method: Method) -> list[Cell]:
        """The cells of a method."""
        return [cell for cell in self.cells if cell.method is method]


def make(arguments: Sequence[str], *, seeds: Sequence[int] | None, overrides: Sequence[str], out: Path | None) -> Plan:
    """The plan for what the command line names: recipes, group files, folders of runs, in any mixture.

    Args:
        arguments: of the command.
        seeds: to train recipes with; default: those of a group file, or 0, 1 and 2.
        overrides: ``--set``, for every recipe.
        out: default: ``runs/<group>`` for a group, ``runs/comparison`` for folders of runs alone, else ``runs``, where
            ``cganzoo run`` keeps its runs.

    Raises:
        CganzooError: an argument is none of these, or a recipe is wrong.
    """
    for override in overrides:
        if override.partition("=")[0].strip() == "train.seed":
            raise RecipeError(f"--set {override}: a comparison has several seeds; write them as --seeds 0,1,2")
    read = [_read(argument) for argument in arguments]
    named = [one for one in read if isinstance(one, Group)]
    if len(named) > 1:
        raise RecipeError(f"{named[1].source}: is the second group file; compare one at a time")
    only_runs = all(isinstance(one, Path) for one in read)
    if only_runs and (overrides or seeds):
        option = f"--set {overrides[0]}" if overrides else f"--seeds {','.join(map(str, seeds or ()))}"
        raise RecipeError(f"{option}: is for recipes, and these are runs; name a recipe, or leave it out")
    group = named[0] if named else None
    # Beside the runs, the tables of one comparison would be overwritten by those of the next.
    place = out or (Path("runs", group.name) if group else Path("runs", "comparison") if only_runs else Path("runs"))
    if place.exists() and not place.is_dir():
        raise RunError(f"--out {place}: is a file; name a folder")
    seeds = tuple(seeds or (group.content.seeds if group else SEEDS))
    methods: list[tuple[Method, list[Cell]]] = []
    unreadable: list[Unreadable] = []
    for one in read:
        if isinstance(one, Path):
            found, broken = _of_runs(one)
            methods += found
            unreadable += broken
        elif isinstance(one, Group):
            methods += _of_group(one, overrides, seeds, place)
        else:
            recipe = load_recipe(one, overrides)
            methods.append(_of_recipe(recipe, recipe.name, one, {}, seeds, place))
    methods = _told_apart(methods)
    if not methods:
        reasons = "; ".join(f"{one.path}: {one.reason}" for one in unreadable)
        raise RunError(f"there is no run to compare: {reasons}")
    return Plan(
        title=group.content.title
        if group
        else ", ".join(method.label for method, _ in methods[:4])
        + (f" and {len(methods) - 4} more" if len(methods) > 4 else ""),
        out=place,
        methods=tuple(method for method, _ in methods),
        cells=tuple(cell for _, cells in methods for cell in cells),
        unreadable=tuple(unreadable),
        group=group,
    )


def _read(argument: str) -> Path | Group | str:
    """A folder of runs, a group, or a recipe's name."""
    if not argument.strip():
        raise RecipeError("an argument is empty; name a recipe, a group of them, or a folder of runs")
    place = Path(argument).expanduser()
    if place.is_dir():
        by_chance = argument in bundled.names() and not _has_runs(place)  # of a recipe's name
        return str(bundled.find_bundled(argument)) if by_chance else place
    return groups.read(argument) or argument


# --- recipes --------------------------------------------------------------------------------------------------------


def _of_group(
    group: Group, overrides: Sequence[str], seeds: Sequence[int], out: Path
) -> Iterator[tuple[Method, list[Cell]]]:
    for method in group.content.methods:
        # The command line comes last: it wins.
        changes = [*group.content.set, *method.set, *overrides]
        source = group.recipe_of(method)
        try:
            recipe = load_recipe(source, changes)
            recipe = replace(recipe, name=method.name or recipe.name)
            yield _of_recipe(recipe, method.label or recipe.name, source, method.published, seeds, out)
        except CganzooError as error:
            told = str(error)
            if not any(told.startswith(f"--set {override.partition('=')[0]}") for override in overrides):
                told = f"{group.source}: {method.recipe}: {told.replace('--set ', 'set: ', 1)}"
            raise type(error)(told) from error


def _of_recipe(
    recipe: Recipe, label: str, source: str, published: Mapping[str, float], seeds: Sequence[int], out: Path
) -> tuple[Method, list[Cell]]:
    resolved = with_seed(resolve(recipe), seeds[0])
    code = provenance.code(resolved.providers)
    method = Method(recipe.name, label, resolved.values(), resolved, source, code, published)
    return method, [
        Cell(method, seed, RunFolder(out / recipe.name / f"seed-{seed}"), with_seed(resolved, seed)) for seed in seeds
    ]


def with_seed(resolved: Resolved, seed: int) -> Resolved:
    """The same recipe with another seed."""
    sections = resolved.recipe.sections
    train = sections.train.model_copy(update={"seed": seed})
    return replace(resolved, recipe=replace(resolved.recipe, sections=_changed(sections, train=train)))


def _changed(config: Any, **values: Config) -> Any:
    return config.model_copy(update=values)


# --- runs -----------------------------------------------------------------------------------------------------------


def run_folders(place: Path) -> list[Path]:
    """Folders of runs: ``place`` itself, or all below it, in the order of their names.

    Raises:
        RunError: there is none.
    """
    if (place / "recipe.toml").is_file() or (place / "manifest.json").is_file():
        return [place]
    found = {file.parent for name in ("recipe.toml", "manifest.json") for file in place.rglob(name)}
    if not found:
        raise RunError(f"{place}: holds no run (a folder with recipe.toml and manifest.json)")
    return sorted(found, key=_natural)


def _has_runs(place: Path) -> bool:
    return any(next(place.rglob(name), None) for name in ("recipe.toml", "manifest.json"))


def _natural(path: Path) -> list[tuple[str, int]]:
    """Sorts ``seed-10`` behind ``seed-9``."""
    parts = []
    for part in path.parts:
        head = part.rstrip("0123456789")
        parts.append((head, int(part[len(head) :] or -1)))
    return parts


def _of_runs(place: Path) -> tuple[list[tuple[Method, list[Cell]]], list[Unreadable]]:
    """Runs in a folder, those of one recipe, one code and different seeds together."""
    found: dict[str, tuple[Method, list[Cell]]] = {}
    broken = []
    for path in run_folders(place):
        folder = RunFolder(path)
        try:
            values, manifest = checked.recipe(folder), checked.manifest(folder)
        except DamagedError as error:
            broken.append(Unreadable(path, str(error)))
            continue
        if not manifest:
            broken.append(Unreadable(path, "has no manifest.json of use, so nothing is known of how it went"))
            continue
        name = path.absolute().parent.name if path.name.startswith("seed-") else path.absolute().name
        made = Method(name, name, values, None, str(path.parent), _code(manifest))
        method, cells = found.setdefault(made.identity, (made, []))
        cells.append(Cell(method, values["train"]["seed"], folder, None))
    return list(found.values()), broken


def _code(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Of all calls that took a run further; where they differ, all their hashes."""
    found: dict[str, list[str]] = {}
    for code in (manifest.get("code", {}), *(call.get("code", {}) for call in manifest.get("calls", []))):
        for name, digest in code.items():
            found.setdefault(name, []).append(digest)
    return {name: "+".join(dict.fromkeys(hashes)) for name, hashes in found.items()}


def without_seed(values: Mapping[str, Any]) -> dict[str, Any]:
    """What replicas of a run share."""
    return {**values, "train": {key: value for key, value in values["train"].items() if key != "seed"}}


def _told_apart(methods: list[tuple[Method, list[Cell]]]) -> list[tuple[Method, list[Cell]]]:
    """The same methods with unique names and labels, replicas together wherever they were named, and no run twice.

    Raises:
        RecipeError: two recipes would share a folder of runs.
        RunError: two runs are the same seed of one recipe.
    """
    names = [method.name for method, _ in methods if method.resolved]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f"{name}: is named twice; give one of the two recipe files another name")
    # A folder that a recipe's run lies in, or that holds another seed of a recipe that is trained, is the recipe's.
    recipe_of = {method.identity: method.name for method, _ in methods if method.resolved}
    seen = {cell.folder.path.resolve() for method, cells in methods if method.resolved for cell in cells}
    together: dict[str, tuple[Method, list[Cell]]] = {}
    for method, cells in methods:
        key = method.name if method.resolved else recipe_of.get(method.identity, method.identity)
        new = [cell for cell in cells if method.resolved or cell.folder.path.resolve() not in seen]
        seen |= {cell.folder.path.resolve() for cell in new}
        if new:
            first, before = together.get(key, (method, []))
            together[key] = (method if method.resolved else first), [*before, *new]
    kept: list[tuple[Method, list[Cell]]] = []
    used_names: set[str] = set(names)
    used_labels: set[str] = set()
    for method, cells in together.values():
        _refuse_a_seed_twice(cells)
        name = method.name if method.resolved else _unique(method.name, used_names)
        label = _unique(method.label, used_labels)
        used_names.add(name)
        used_labels.add(label)
        renamed = replace(method, name=name, label=label)
        kept.append((renamed, [replace(cell, method=renamed) for cell in cells]))
    return kept


def _unique(name: str, used: set[str]) -> str:
    found, number = name, 2
    while found in used:
        found, number = f"{name} ({number})", number + 1
    return found


def _refuse_a_seed_twice(cells: Sequence[Cell]) -> None:
    first: dict[int, Path] = {}
    for cell in cells:
        if cell.seed in first:
            raise RunError(
                f"{cell.folder.path}: is seed {cell.seed} of the recipe of which {first[cell.seed]} is that seed, "
                "too; name one of them"
            )
        first[cell.seed] = cell.folder.path
