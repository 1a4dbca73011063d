"""Begins a run from the weights of another one: what fits is taken, what depends on the number of classes is new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cganzoo.console.reporter import Reporter
from cganzoo.errors import CganzooError, RecipeError, RunError
from cganzoo.images.trained_generator import load_generator
from cganzoo.recipe.resolve import Resolved
from cganzoo.registry.kinds import KINDS
from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder
from cganzoo.runs.initial_weights import initial_file
from cganzoo.runs.manifest import InitialWeights
from cganzoo.train.build import Networks, build_networks
from cganzoo.train.engine import Engine

EXPORT = ".safetensors"
"""Ending of a file that ``cganzoo export`` wrote; any other file must be a checkpoint."""

Tensors = Mapping[str, Tensor]
Shapes = Mapping[str, torch.Size]


@dataclass(frozen=True)
class Source:
    """Weights to begin from.

    Attributes:
        modules: tensors by module of :class:`~cganzoo.train.engine.Networks`, and by name.
        step: generator steps that they were trained for.
        class_names: the classes that they were trained for; empty if that is not known.
        loss: name of the loss; empty if that is not known.
    """

    modules: dict[str, Tensors]
    step: int
    class_names: tuple[str, ...] = ()
    loss: str = ""


def begin_from(
    resolved: Resolved, folder: RunFolder, engine: Engine, class_names: tuple[str, ...], reporter: Reporter
) -> InitialWeights:
    """Copy the weights of ``train.init`` into the networks of ``engine``, which has done no step; say what was taken.

    Optimizers, data order and random numbers are those of a run without initial weights. The generator's average begins
    as a copy of the generator.

    Raises:
        RecipeError: the file is missing or damaged, or its networks differ in more than the number of classes.
    """
    train = resolved.recipe.sections.train
    file = initial_file(resolved, folder)
    try:
        source = _read(file)
        modules = dict(source.modules)
        other_loss = source.loss not in ("", resolved.loss.spec.name) and modules.pop("objective", None) is not None
        taken, new = _fitting(resolved, engine.networks, class_names, modules, source.class_names)
    except RunError as error:
        raise RecipeError(f"{resolved.recipe.place('train', 'init')}: {error}") from error
    engine.begin_from(taken)
    count = sum(map(len, taken.values()))
    message = f"initial weights: {file}, step {source.step:,}; taken: {count} tensors"
    if new:
        message += f"; new, because the number of classes differs: {', '.join(new)}"
    if "trunk" not in source.modules:
        message += "; the discriminator and the heads of the loss are new, because the file holds a generator only"
    if other_loss:
        message += f'; the heads of the loss are new, because the file has those of "{source.loss}"'
    reporter.say(message)
    _warn_of_other_classes(source.class_names, class_names, reporter)
    assert train.init_sha256 is not None
    return InitialWeights(file=str(file), sha256=train.init_sha256, step=source.step, taken=count, new=new)


def _warn_of_other_classes(there: Sequence[str], here: Sequence[str], reporter: Reporter) -> None:
    if len(there) == len(here) and tuple(there) != tuple(here):
        label = next(index for index, name in enumerate(here) if there[index] != name)
        reporter.say(
            f'note: the initial weights are of other classes: class {label} is "{there[label]}" there, and '
            f'"{here[label]}" here',
            style="yellow",
        )


# --- reading ----------------------------------------------------------------------------------------------------------


def _read(file: Path) -> Source:
    """The weights in a checkpoint or in an exported file."""
    if file.suffix == EXPORT:
        trained = load_generator(file)
        return Source({"generator": trained.generator.state_dict()}, trained.origin.step, trained.class_names)
    state = checkpoint.load(file)
    modules, step = (state.get(key) if isinstance(state, dict) else None for key in ("modules", "step"))
    names = Networks._fields
    if not isinstance(modules, dict) or not isinstance(step, int) or not all(map(_tensors, map(modules.get, names))):
        raise RunError(f"{file}: is no checkpoint of a run")
    found = {name: modules[name] for name in names}
    # A checkpoint in its run folder says more.
    run = RunFolder(file.absolute().parent.parent)
    with suppress(CganzooError):
        manifest = run.manifest()
        if state.get("training_digest") in manifest.training_digests:
            loss = run.recipe().sections.tables(KINDS["loss"])[0].name.rpartition("/")[2]
            return Source(found, step, tuple(manifest.classes), loss)
    return Source(found, step)


def _tensors(module: object) -> bool:
    return isinstance(module, dict) and all(isinstance(value, Tensor) for value in module.values())


# --- fitting ----------------------------------------------------------------------------------------------------------


def _fitting(
    resolved: Resolved,
    networks: Networks,
    class_names: tuple[str, ...],
    source: Mapping[str, Tensors],
    source_classes: tuple[str, ...],
) -> tuple[dict[str, dict[str, Tensor]], list[str]]:
    """The tensors of ``source`` that the networks take, and the names of those that depend on the number of classes.

    The same networks are built with the number of classes of the source: every tensor must then have its shape.
    """
    # The recipe decides scheduled values; whether they are tensors depends on whether they have a schedule.
    source = {
        name: {key: tensor for key, tensor in source[name].items() if not module.is_held(key)}
        for name, module in networks._asdict().items()
        if name in source
    }
    here, there = _shapes(networks), {name: _of(tensors) for name, tensors in source.items()}
    if any(there[name] != here[name] for name in there):
        count = len(source_classes) or _classes_of(resolved, class_names, here, there)
        _check(there, here if count == len(class_names) else _shapes(_built(resolved, count)), here)
    taken = {
        module: {name: tensor for name, tensor in tensors.items() if here[module].get(name) == tensor.shape}
        for module, tensors in source.items()
    }
    if not any(taken.values()):
        raise RunError("no tensor fits the networks of this recipe")
    for module, tensors in taken.items():
        for name, tensor in tensors.items():
            if not torch.isfinite(tensor).all():
                raise RunError(f"{module}.{name} is not finite; name a checkpoint from before the run diverged")
    new = [f"{module}.{name}" for module in taken for name in here[module] if name not in taken[module]]
    return taken, new


def _check(there: Mapping[str, Shapes], expected: Mapping[str, Shapes], here: Mapping[str, Shapes]) -> None:
    """Raise an error that names the first tensor whose shape is not the ``expected`` one, with both shapes."""
    for module, name in _differing(there, expected):
        shown = [
            f"the shape {tuple(shapes[module][name])}" if name in shapes[module] else "no tensor of this name"
            for shapes in (there, here)
        ]
        if shown[0] == shown[1]:  # it has this shape by chance, with another number of classes
            shown[1] = "another shape with the number of classes there"
        raise RunError(
            f"{module}.{name} has {shown[0]} in the file and {shown[1]} in this recipe; only the number of classes may "
            "differ, so set image size, networks and their options to those of the file, or name another file"
        )


def _differing(there: Mapping[str, Shapes], expected: Mapping[str, Shapes]) -> Iterator[tuple[str, str]]:
    for module, shapes in there.items():
        for name in dict.fromkeys([*expected[module], *shapes]):
            if shapes.get(name) != expected[module].get(name):
                yield module, name


def _classes_of(
    resolved: Resolved, class_names: tuple[str, ...], here: Mapping[str, Shapes], there: Mapping[str, Shapes]
) -> int:
    """The number of classes that the shapes in a file are of, computed from how shapes here change with one class more.

    Our own number if no shape says another one.
    """
    count = len(class_names)
    more = _shapes(_built(resolved, count + 1))
    for module, name in _differing(there, here):
        shapes = [found[module].get(name) for found in (there, here, more)]
        if any(shape is None for shape in shapes) or len({len(shape) for shape in shapes if shape is not None}) > 1:
            continue
        for theirs, ours, grown in zip(*shapes, strict=True):
            if grown != ours and (theirs - ours) % (grown - ours) == 0:
                found_count = count + (theirs - ours) // (grown - ours)
                if found_count >= 1:
                    return int(found_count)
    return count


def _built(resolved: Resolved, count: int) -> Networks:
    """The networks of the recipe with another number of classes; the random state stays."""
    with torch.random.fork_rng(devices=[]):
        return build_networks(resolved, tuple(map(str, range(count))))


def _shapes(networks: Networks) -> dict[str, Shapes]:
    return {
        name: {key: shape for key, shape in _of(module.state_dict()).items() if not module.is_held(key)}
        for name, module in networks._asdict().items()
    }


def _of(tensors: Tensors) -> Shapes:
    return {name: tensor.shape for name, tensor in tensors.items()}
