"""From the choice of a data set to its packed images: finding it, fetching it, packing it."""

from __future__ import annotations

import difflib
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cganzoo.config import ArchiveConfig
from cganzoo.console.reporter import Reporter, amount
from cganzoo.data.archive import is_tar, unpacked
from cganzoo.data.cache import ImageSet, cache_folder, packed
from cganzoo.data.download import fetch
from cganzoo.data.source import ImageSource
from cganzoo.errors import DataError
from cganzoo.recipe import bundled
from cganzoo.recipe.read import Recipe, dataset_recipe, load_recipe
from cganzoo.recipe.resolve import Chosen, Resolved, resolve_dataset
from cganzoo.registry import Registry, load_plugins
from cganzoo.registry.probe import load_survivors
from cganzoo.specs import Archive, DatasetSpec

Check = Callable[[tuple[str, ...]], None]
"""Called with the names of the classes; raises if a run on them would come to nothing."""


@dataclass(frozen=True)
class Selection:
    """A data set with its options, at one size.

    Attributes:
        spec: of the set.
        config: its options.
        image_size: side of the packed images, in pixels.
        channels: 1 or 3.
    """

    spec: DatasetSpec[Any]
    config: Any  # the spec's own Config subclass
    image_size: int
    channels: int

    @classmethod
    def of(cls, recipe: Recipe, dataset: Chosen[DatasetSpec[Any]]) -> Selection:
        """What a recipe selects."""
        data = recipe.sections.data
        return cls(dataset.spec, dataset.config, data.image_size, data.channels or dataset.spec.channels)


def select(what: str, overrides: Sequence[str] = ()) -> Selection:
    """What a user means by a recipe, or by the name of a data set, which is then taken at its own size.

    Args:
        what: recipe file, name of a bundled recipe, or name of an installed data set.
        overrides: ``data.key=value``.

    Raises:
        DataError: it is both, or neither, or a set whose images are of many sizes and none is given.
        RecipeError: an unknown key, a wrong type or a value out of range.
        PluginError: more than one distribution provides a set of this name; or the recipe's plugins do not load.
    """
    registry = _registry(what)
    names = _names(registry)
    if what in names and what in bundled.names():
        full_name = registry.get("dataset", what).full_name
        raise DataError(f'"{what}" is both a recipe and a data set; write "{what}.toml" or "{full_name}"')
    if what not in names and (what.endswith(".toml") or what in bundled.names() or Path(what).expanduser().is_file()):
        recipe = load_recipe(what, overrides)
        return Selection.of(recipe, resolve_dataset(recipe))
    if what not in names and Path(what).expanduser().is_dir():
        raise DataError(
            f'"{what}" is a folder; name the set and, with --root, the folder, like '
            f"`cganzoo data info folder --root {shlex.quote(what)}`"
        )
    if what not in names and (near := difflib.get_close_matches(what, names | set(bundled.names()), n=1)):
        raise DataError(f'"{what}" is neither a data set nor a recipe; did you mean "{near[0]}"?')
    spec = registry.get("dataset", what).spec
    assert isinstance(spec, DatasetSpec)
    given = {override.partition("=")[0].strip() for override in overrides}
    if spec.image_size is None and "data.image_size" not in given:
        raise DataError(f'data set "{what}": its images are of many sizes; say which to give them, like --size 64')
    root = spec.config.model_fields.get("root")
    if root is not None and root.is_required() and "data.root" not in given:
        raise DataError(f'data set "{what}": say where it is with --root: {root.description}')
    recipe = dataset_recipe(what, overrides, spec.image_size)
    return Selection.of(recipe, resolve_dataset(recipe, registry))


def find_dataset(name: str) -> DatasetSpec[Any]:
    """The installed data set of this name.

    Raises:
        PluginError: there is none, or more than one.
    """
    spec = _registry(name).get("dataset", name).spec
    assert isinstance(spec, DatasetSpec)
    return spec


def _registry(what: str) -> Registry:
    """Where to look ``what`` up: a set of the host's, or a recipe that comes with it, needs no plugin."""
    host = load_plugins([])
    return host if what in _names(host) or what in bundled.names() else load_survivors()


def _names(registry: Registry) -> set[str]:
    return {name for component in registry.components("dataset") for name in (component.name, component.full_name)}


def archive_of(spec: DatasetSpec[Any]) -> Archive | None:
    """What there is to download of a set; ``None`` if it is there without.

    Raises:
        DataError: it cannot be downloaded, and the user must have it.
    """
    root = spec.config.model_fields.get("root")
    if spec.archive is None and root is not None:
        raise DataError(
            f'data set "{spec.name}": cannot be downloaded; name your own copy with data.root or --root: '
            f"{root.description}"
        )
    return spec.archive


def load_data(resolved: Resolved, reporter: Reporter, check: Check | None = None) -> dict[str, ImageSet]:
    """The recipe's packed splits, ``"train"`` and, where the set has one, ``"test"``.

    Args:
        resolved: the recipe.
        reporter: shows progress.
        check: see :func:`load`.

    Raises:
        DataError: the set is missing or damaged, or has fewer than two training images.
    """
    selection = Selection.of(resolved.recipe, resolved.dataset)
    return load(selection, open_source(selection, reporter), reporter, check)


def load(
    selection: Selection, source: ImageSource, reporter: Reporter, check: Check | None = None
) -> dict[str, ImageSet]:
    """The packed splits of ``source``, packed now if they are not in the cache.

    Args:
        selection: what is wanted of it.
        source: the set.
        reporter: shows progress.
        check: called when packing begins; what it raises ends that, and nothing of it is kept.

    Raises:
        DataError: an image cannot be read, or there are fewer than two training images.
    """
    name = selection.spec.name
    begin, count = time.monotonic(), 0
    with reporter.stage("packing images") as show:

        def progress(done: int, total: int) -> None:
            nonlocal count
            if check and not count:
                check(source.class_names)
            count = done
            show(done, total)

        splits = packed(
            source, name=name, image_size=selection.image_size, channels=selection.channels, progress=progress
        )
    if count:
        seconds = time.monotonic() - begin
        reporter.say(f"packed {count:,} images in {seconds:.3g} s ({count / seconds:,.0f} a second)")
    left_out = {split: images.left_out for split, images in splits.items() if images.left_out}
    if left_out:
        counts = ", ".join(f"{count:,} {split}" for split, count in left_out.items())
        reporter.say(f"{counts} images are left out, as the options of {name} say")
    skipped = splits["train"].skipped
    if skipped:
        reporter.say(f"{len(skipped):,} unreadable images were left out; the first: {skipped[0]}", style="yellow")
    if len(splits["train"].labels) < 2:
        raise DataError(f'data set "{name}": has {len(splits["train"].labels)} training images; two are needed')
    return splits


def open_source(selection: Selection, reporter: Reporter) -> ImageSource:
    """The set where it lies, downloaded and unpacked if need be and allowed.

    Raises:
        DataError: it is not there, or cannot be had, or is damaged.
    """
    config = selection.config
    if selection.spec.archive is not None:
        place = _find(selection.spec, selection.spec.archive, config, reporter)
        if is_tar(place) and is_tar(Path(selection.spec.archive.filename)):
            unpack(place, reporter)  # the set finds it unpacked, and names in messages what the user knows
        config = config.model_copy(update={"root": str(place)})
    source: ImageSource = selection.spec.build(config)
    return source


def place_of(splits: Mapping[str, ImageSet]) -> Path:
    """The folder of a packed set."""
    images = splits["train"].images
    assert isinstance(images, np.memmap)
    return Path(str(images.filename)).parent


def downloads() -> Path:
    """Where archives are kept, and looked for where a recipe names no place."""
    return cache_folder() / "downloads"


def download(archive: Archive, reporter: Reporter, folder: Path | None = None, mirror: str | None = None) -> Path:
    """An archive, downloaded with its progress shown if it is not there.

    Raises:
        DataError: it cannot be had, or ``folder`` is none.
    """
    if folder is not None and folder.exists() and not folder.is_dir():
        raise DataError(f"--to {folder}: is a file; name the folder to keep {archive.filename} in")
    with reporter.stage(f"downloading {archive.filename}", in_bytes=True) as progress:
        return fetch(archive, folder or downloads(), progress, mirror=mirror)


def unpack(archive: Path, reporter: Reporter) -> Path:
    """The folder that a tar archive is unpacked to, now if it was not before.

    Raises:
        DataError: it is damaged, or would write elsewhere, or there is no room.
    """
    with reporter.stage(f"unpacking {archive.name}", in_bytes=True) as progress:
        return unpacked(archive, progress)


def size_of(archive: Archive) -> str:
    """How large a download is, for people."""
    return "of unknown size" if archive.size is None else amount(archive.size)


def _find(spec: DatasetSpec[Any], archive: Archive, config: ArchiveConfig, reporter: Reporter) -> Path:
    """The archive or folder that the options name, or else the download, made now if the user agrees."""
    if config.root is not None:
        place = Path(config.root).expanduser()
        if not place.exists():
            raise DataError(
                f'data.root = "{config.root}": no such file or folder; name {archive.filename} or the folder that it '
                "was unpacked to, or leave data.root out to have it downloaded"
            )
        return place
    place = downloads() / archive.filename
    if place.exists():
        return place
    question = f"{spec.name} is not here. Download {size_of(archive)} from {archive.url} to {downloads()}?"
    if config.download or reporter.agrees(question):
        return download(archive, reporter)
    raise DataError(
        f'data set "{spec.name}" is not here; run `cganzoo data get {spec.name}` ({size_of(archive)}), or set '
        f"data.download = true, or data.root to {archive.filename} or the folder that it was unpacked to"
    )
