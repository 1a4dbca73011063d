"""What is to be compared: the matrix of methods and seeds, and where each run lies. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from cganzoo import recipe as recipes
from cganzoo.config import Config
from cganzoo.errors import CganzooError, RecipeError, RunError
from cganzoo.recipe import Recipe
from cganzoo.resolution import Resolved, resolve
from cganzoo.runs import RunFolder
from cganzoo.toml import tomllib

from . import group as groups
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
        values: every value of its recipe, as :meth:`~cganzoo.resolution.Resolved.values` gives them; of the first seed.
        resolved: the recipe, where it can be trained here; ``None`` for runs that are taken as they are.
        source: the recipe's file, or the runs' folder.
        published: scores that a paper printed.
    """

    name: str
    label: str
    values: dict[str, Any]
    resolved: Resolved | None
    source: str
    published: Mapping[str, float] = field(default_factory=dict)


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
    seeds = tuple(seeds or (group.content.seeds if group else SEEDS))
    methods: list[tuple[Method, list[Cell]]] = []
    unreadable: list[Unreadable] = []
    for argument, one in zip(arguments, read, strict=True):
        if isinstance(one, Path):
            found, broken = _of_runs(one)
            methods += found
            unreadable += broken
        elif isinstance(one, Group):
            methods += [_of_recipe(*item, seeds, place) for item in _of_group(one, overrides)]
        else:
            recipe = recipes.load(argument, overrides)
            methods.append(_of_recipe(recipe, recipe.name, argument, {}, seeds, place))
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
    place = Path(argument).expanduser()
    if place.is_dir():
        return place
    return groups.read(argument) or argument


# --- recipes --------------------------------------------------------------------------------------------------------


def _of_group(group: Group, overrides: Sequence[str]) -> Iterator[tuple[Recipe, str, str, Mapping[str, float]]]:
    for method in group.content.methods:
        # The command line comes last: it wins.
        changes = [*group.content.set, *method.set, *overrides]
        try:
            recipe = recipes.load(group.recipe_of(method), changes)
        except RecipeError as error:
            raise RecipeError(f"{group.source}: {method.recipe}: {error}") from error
        recipe = replace(recipe, name=method.name or recipe.name)
        yield recipe, method.label or recipe.name, group.recipe_of(method), method.published


def _of_recipe(
    recipe: Recipe, label: str, source: str, published: Mapping[str, float], seeds: Sequence[int], out: Path
) -> tuple[Method, list[Cell]]:
    resolved = with_seed(resolve(recipe), seeds[0])
    method = Method(recipe.name, label, resolved.values(), resolved, source, published)
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


def _natural(path: Path) -> list[tuple[str, int]]:
    """Sorts ``seed-10`` behind ``seed-9``."""
    parts = []
    for part in path.parts:
        head = part.rstrip("0123456789")
        parts.append((head, int(part[len(head) :] or -1)))
    return parts


def _of_runs(place: Path) -> tuple[list[tuple[Method, list[Cell]]], list[Unreadable]]:
    """Runs in a folder, those of one recipe and different seeds together."""
    found: dict[str, tuple[Method, list[Cell]]] = {}
    broken = []
    for path in run_folders(place):
        folder = RunFolder(path)
        try:
            values, seed = _values(folder)
        except CganzooError as error:
            broken.append(Unreadable(path, str(error)))
            continue
        key = repr(without_seed(values))
        if key not in found:
            name = path.absolute().parent.name if path.name.startswith("seed-") else path.absolute().name
            found[key] = Method(name, name, values, None, str(path.parent)), []
        method, cells = found[key]
        cells.append(Cell(method, seed, folder, None))
    return list(found.values()), broken


NEEDED = (
    *("data.name", "train.seed", "train.steps", "train.batch_size"),
    *("optimizer.generator.name", "optimizer.discriminator.name", "loss.name"),
)
"""Keys of a resolved recipe that a comparison reads."""


def _values(folder: RunFolder) -> tuple[dict[str, Any], int]:
    """The values of a run's resolved recipe, as they were written: its plugins need not be installed."""
    try:
        values = tomllib.loads(folder.recipe_file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"recipe.toml cannot be read ({error.strerror or error}), so it is no whole run") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"recipe.toml is damaged ({error})") from error
    manifest = folder.manifest()
    if not isinstance(manifest, dict) or not manifest:
        raise RunError("has no manifest.json of use, so nothing is known of how it went")
    for key in NEEDED:
        node: Any = values
        for part in key.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        if node is None:
            raise RunError(f"recipe.toml has no {key}; it was written by another version")
    metrics = values.get("metrics", [])
    if not all(isinstance(metric, dict) and "name" in metric for metric in metrics):
        raise RunError("recipe.toml has metrics without a name; it was written by another version")
    return values, values["train"]["seed"]


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
    seen: set[Path] = set()
    together: dict[str, tuple[Method, list[Cell]]] = {}
    for method, cells in methods:
        new = [cell for cell in cells if cell.folder.path.resolve() not in seen]
        seen |= {cell.folder.path.resolve() for cell in new}
        if new:
            key = method.name if method.resolved else repr(without_seed(method.values))
            together.setdefault(key, (method, []))[1].extend(new)
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
