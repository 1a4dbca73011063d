"""A trained generator, from a run or from one exported file: needs no data set, no trainer and no pickle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from cganzoo._util.files import write_whole
from cganzoo._util.install import install_command
from cganzoo.errors import RunError
from cganzoo.networks import Generator
from cganzoo.recipe.read import Recipe, parse_recipe
from cganzoo.recipe.resolve import Chosen, resolve_generator
from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder
from cganzoo.specs import BuildContext, GeneratorSpec

from .sampling import ready_to_sample, samples

METADATA_KEY = "cganzoo"  # one key only: safetensors writes several in no fixed order
FORMAT = 1


@dataclass(frozen=True)
class Origin:
    """What is stored with the weights.

    Attributes:
        recipe: the resolved recipe, as TOML.
        distribution: the plugin that provides the generator.
        class_names: the K classes.
        channels: channels of an image.
        step: generator steps trained.
        provenance: the run's versions, seed and recipe digest.
    """

    recipe: str
    distribution: str
    class_names: tuple[str, ...]
    channels: int
    step: int
    provenance: dict[str, Any]


class TrainedGenerator(nn.Module):
    """A generator ready to sample, in evaluation mode.

    Calling it maps noise (N, latent_dim) and labels (N,) int64 to images (N, C, H, W) in [-1, 1].

    Attributes:
        class_names: the K classes; a label is an index into them.
        conditional: whether the generator takes a class.
        latent_dim: length of one noise vector.
    """

    def __init__(self, generator: Generator, origin: Origin) -> None:
        super().__init__()
        self.generator: Generator = generator
        self.origin, self.class_names = origin, origin.class_names
        self.conditional, self.latent_dim = generator.conditional, generator.latent_dim
        self.eval()

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images from noise and labels; an unconditional generator needs no labels."""
        if labels is None:
            if self.conditional:
                raise ValueError("this generator is conditional: give labels (N,)")
            labels = torch.zeros(len(z), dtype=torch.int64, device=z.device)
        images: Tensor = self.generator(z, labels)
        return images

    def sample(
        self, count: int, *, classes: Sequence[str | int] | None = None, seed: int = 0, batch_size: int = 250
    ) -> Tensor:
        """Images (count, C, H, W) in [-1, 1], on the CPU; the same seed gives the same images.

        Args:
            count: number of images.
            classes: names or indices, used in turn; default: all. Only for a conditional generator.
            seed: of the noise.
            batch_size: images generated at a time.

        Raises:
            RunError: a class is unknown, or the generator is unconditional and takes no class.
        """
        if classes is not None and not self.conditional:
            raise RunError("this generator is unconditional and takes no class")
        labels = None if classes is None else [class_index(self.class_names, name) for name in classes]
        drawn = samples(self.generator, count, batch_size, len(self.class_names), seed=seed, classes=labels)
        return torch.cat([images.cpu() for images, _ in drawn])


def class_index(class_names: Sequence[str], name: str | int) -> int:
    """The label of a class, given by its name or its index."""
    if isinstance(name, str) and name in class_names:
        return list(class_names).index(name)
    if str(name).isdecimal() and int(name) < len(class_names):
        return int(name)
    shown = ", ".join(class_names[:10]) + (", ..." if len(class_names) > 10 else "")
    raise RunError(f'there is no class "{name}"; there are {len(class_names)}: {shown}')


def from_run(
    folder: RunFolder,
    device: torch.device | None = None,
    resolved_generator: Chosen[GeneratorSpec[Any]] | None = None,
) -> TrainedGenerator:
    """The generator of a run's newest checkpoint; ``evaluation.weights`` in its recipe decides whether the average.

    The device is the CPU by default. The plugin of the generator is loaded here if ``resolved_generator`` is not given.
    """
    recipe, manifest = folder.recipe(), folder.manifest()
    state, _ = checkpoint.newest(folder.checkpoints)
    if state is None:
        raise RunError(f"{folder.path}: has no checkpoint yet; run it first")
    if missing := manifest.missing("training_digest", "classes", "channels", "generator_distribution", "versions"):
        raise RunError(
            f'{folder.manifest_file}: lacks "{missing[0]}", so it is damaged or another version of cganzoo wrote it; '
            "put back a copy of the file, or run the recipe again with --fresh"
        )
    if state.get("training_digest") != manifest.training_digest:
        raise RunError(f"{folder.checkpoints}: the checkpoint is from another run; put back the checkpoint of this run")
    origin = Origin(
        recipe=folder.recipe_file.read_text(encoding="utf-8"),
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
    weights = state["modules"]["average" if recipe.sections.evaluation.weights == "ema" else "generator"]
    generator = _build(recipe, origin, weights, str(folder.path), resolved_generator)
    generator.to(device or torch.device("cpu"))
    return TrainedGenerator(ready_to_sample(generator, len(origin.class_names)), origin)


def save(trained: TrainedGenerator, file: Path) -> Path:
    """Write a generator with its recipe and provenance; the same bytes for the same weights and origin."""
    entry = {"format": FORMAT, **asdict(trained.origin)}
    weights = {name: tensor.cpu().contiguous() for name, tensor in trained.generator.state_dict().items()}
    data = safetensors.torch.save(weights, metadata={METADATA_KEY: json.dumps(entry, sort_keys=True)})
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
    try:
        with safetensors.safe_open(path, "pt") as opened:
            entry = json.loads((opened.metadata() or {})[METADATA_KEY])
            weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)
        if entry["format"] > FORMAT:
            raise RunError(f"{file}: was written by a newer cganzoo; upgrade: {install_command('-U cganzoo')}")
        entry["class_names"] = tuple(entry["class_names"])
        origin = Origin(**{field.name: entry[field.name] for field in fields(Origin)})
    except FileNotFoundError as error:
        raise RunError(f"{file}: no such file") from error
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{file}: is damaged, or `cganzoo export` did not write it") from error
    recipe = parse_recipe(origin.recipe, name=path.stem, source=f"recipe in {file}")
    return TrainedGenerator(_build(recipe, origin, weights, str(file)).to(device), origin)


def _build(
    recipe: Recipe,
    origin: Origin,
    weights: dict[str, Tensor],
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
    with torch.random.fork_rng(devices=[]):  # the weights are replaced: keep the caller's random state
        generator = chosen.spec.build(chosen.config, context)
    try:
        generator.load_state_dict(weights)
    except RuntimeError as error:
        made_with = origin.provenance["versions"]["distributions"][origin.distribution]["version"]
        raise RunError(
            f"{source}: the weights do not fit the generator of the installed {origin.distribution}; "
            f"install the version they were made with: {origin.distribution}=={made_with}"
        ) from error
    return generator
