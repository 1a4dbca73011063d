"""A trained generator, from a run or from one exported file: needs no data set, no trainer and no pickle."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cganzoo._util.files import write_whole
from cganzoo._util.memory import described
from cganzoo.errors import CganzooError, DamageWarning, RunError
from cganzoo.networks import Generator
from cganzoo.recipe.read import Recipe, parse_recipe
from cganzoo.recipe.resolve import Chosen, resolve_generator
from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder
from cganzoo.runs.manifest import REMOVE, WRITE_ANEW
from cganzoo.specs import BuildContext, GeneratorSpec

from . import export_file
from .bounded import TooLargeError, bounded_by, difference
from .export_file import Origin
from .generator import TrainedGenerator
from .sampling import ready_to_sample


def _warn(text: str) -> None:
    warnings.warn(text, DamageWarning, stacklevel=3)


def from_run(
    folder: RunFolder,
    device: torch.device | None = None,
    resolved_generator: Chosen[GeneratorSpec[Any]] | None = None,
    *,
    warn: Callable[[str], object] = _warn,
) -> TrainedGenerator:
    """The generator of a run's newest checkpoint; ``evaluation.weights`` in its recipe decides whether the average.

    The device is the CPU by default. The plugin of the generator is loaded here if ``resolved_generator`` is not given.
    If the newest checkpoint is damaged, an older one is used, and ``warn`` is called with a message that names both.
    """
    recipe, manifest = folder.recipe(), folder.manifest()
    state, damaged = checkpoint.newest(folder.checkpoints)
    if state is None:
        raise RunError(
            f"{folder.path}: all its checkpoints are damaged, the newest like this: {damaged[0]}; put back a copy, or "
            "run the recipe again with --fresh"
            if damaged
            else f"{folder.path}: has no checkpoint yet; run it first"
        )
    if damaged:
        warn("; ".join([*damaged, f"the checkpoint of step {state['step']} is used instead"]))
    if missing := manifest.missing("training_digest", "classes", "channels", "generator_distribution", "versions"):
        if not folder.manifest_file.exists():
            raise RunError(f"{folder.manifest_file}: no such file; put back a copy, or {WRITE_ANEW}")
        raise RunError(
            f'{folder.manifest_file}: lacks "{missing[0]}", so it is damaged or another version of cganzoo wrote it; '
            f"{REMOVE}"
        )
    if state.get("training_digest") not in manifest.training_digests:
        raise RunError(f"{folder.checkpoints}: the checkpoint is from another run; put back the checkpoint of this run")
    origin = Origin(
        recipe=folder.recipe_text(),
        distribution=manifest.generator_distribution,
        class_names=tuple(manifest.classes),
        channels=manifest.channels,
        step=state["step"],
        # An exported file calls the digest "recipe", as cganzoo 0.1 did.
        provenance={
            "recipe": manifest.recipe_digest,
            "seed": manifest.seed,
            "versions": manifest.versions.model_dump(),
        },
    )
    part = "average" if recipe.sections.evaluation.weights == "ema" else "generator"
    weights = state.get("modules", {}).get(part)
    if weights is None:
        raise RunError(f"{folder.checkpoints}: the checkpoint of step {state['step']} has no weights of the generator")
    generator = _build(recipe, origin, weights, str(folder.path), resolved_generator)
    generator.to(device or torch.device("cpu"))
    ready = ready_to_sample(generator, len(origin.class_names))
    return TrainedGenerator(ready, origin, recipe.sections.evaluation.batch_statistics)


def save(trained: TrainedGenerator, file: Path) -> Path:
    """Write a generator with its recipe and provenance; the same bytes for the same weights and origin."""
    data = export_file.pack(trained.origin, trained.generator.state_dict())
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, data)
    except OSError as error:
        raise RunError(f"{file}: cannot be written: {error.strerror}") from error
    return file


def load_generator(file: str | Path, device: torch.device | str = "cpu") -> TrainedGenerator:
    """The generator from a file that ``cganzoo export`` wrote; nothing in the file is executed.

    Raises:
        RunError: the file is missing or damaged, or ``cganzoo export`` did not write it.
        PluginError: the plugin that provides the generator is not installed.
    """
    path = Path(file).expanduser()
    origin, weights = export_file.read(path)
    recipe = parse_recipe(origin.recipe, name=path.stem, source=f"recipe in {file}")
    generator = _build(recipe, origin, weights, str(file)).to(device)
    return TrainedGenerator(generator, origin, recipe.sections.evaluation.batch_statistics)


def _build(
    recipe: Recipe,
    origin: Origin,
    weights: Mapping[str, Any],
    source: str,
    chosen: Chosen[GeneratorSpec[Any]] | None = None,
) -> Generator:
    """The generator with these weights, which are read from ``source``."""
    chosen = chosen or resolve_generator(recipe, origin.distribution)
    context = BuildContext(
        num_classes=len(origin.class_names),
        image_size=recipe.sections.data.image_size,
        image_channels=origin.channels,
        class_names=origin.class_names,
    )
    not_finite = [
        name for name, one in weights.items() if isinstance(one, Tensor) and not torch.isfinite(one).all().item()
    ]
    if not_finite:
        raise RunError(f"{source}: {not_finite[0]} has values that are not finite, so the generator makes no images")
    made_with = f"; install the version they were made with: {_version(origin)}"
    problem = f"{source}: the weights do not fit the generator of the installed {origin.distribution}"
    try:
        # The weights are replaced: keep the caller's random state.
        with torch.random.fork_rng(devices=[]), bounded_by(weights):
            generator: Generator = chosen.create(context)
        if found := difference(generator, weights):
            raise RunError(f"{problem} ({found}){made_with}")
        generator.load_state_dict(weights)
        return generator
    except CganzooError:
        raise
    except TooLargeError as error:
        raise RunError(f"{problem} ({error}){made_with}") from error
    except Exception as error:  # a plugin raises different errors for values that it cannot use
        raise RunError(f"{source}: its generator cannot be built: {described(error)}") from error


def _version(origin: Origin) -> str:
    """``<distribution>==<version>``; without the version if the provenance does not have it."""
    found: Any = origin.provenance
    for key in ("versions", "distributions", origin.distribution, "version"):
        found = found.get(key) if isinstance(found, dict) else None
    return f"{origin.distribution}=={found}" if isinstance(found, str) else origin.distribution
