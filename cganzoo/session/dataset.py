"""Selects a data set, downloads and unpacks it if necessary, and packs its images."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cganzoo._util.text import did_you_mean, listed, shortened
from cganzoo.config import ArchiveConfig
from cganzoo.console.reporter import Reporter, amount
from cganzoo.console.streams import printable
from cganzoo.data.archive import is_tar, unpacked
from cganzoo.data.cache import ImageSet, cache_folder, packed
from cganzoo.data.download import fetch, verify
from cganzoo.data.source import ImageSource
from cganzoo.errors import DataError
from cganzoo.recipe import bundled
from cganzoo.recipe.read import Recipe, dataset_recipe, load_recipe
from cganzoo.recipe.resolve import Chosen, Resolved, resolve_dataset
from cganzoo.registry import Registry, load_plugins
from cganzoo.registry.probe import load_survivors
from cganzoo.specs import Archive, DatasetSpec

Check = Callable[[tuple[str, ...]], object]
"""Called with the classes' names; raises if a run on them cannot succeed."""


@dataclass(frozen=True)
class Selection:
    """A data set, its options, and the size of the packed images."""

    spec: DatasetSpec[Any]
    config: Any  # the spec's own Config subclass
    image_size: int  # height and width of the packed images, in pixels
    channels: int  # 1 or 3

    @classmethod
    def of(cls, recipe: Recipe, dataset: Chosen[DatasetSpec[Any]]) -> Selection:
        """The data set of a recipe."""
        data = recipe.sections.data
        return cls(dataset.spec, dataset.config, data.image_size, data.channels or dataset.spec.channels)


def select(what: str, overrides: Sequence[str] = ()) -> Selection:
    """Select the data set of a recipe, or the data set with this name at its own image size.

    Args:
        what: recipe file, name of a bundled recipe, or name of an installed data set.
        overrides: changes of the form ``data.key=value``.
    """
    registry = _registry(what)
    names = _names(registry)
    if what in names and what in bundled.names():
        full_name = registry.get("dataset", what).full_name
        raise DataError(f'"{what}" is both a recipe and a data set; write "{what}.toml" or "{full_name}"')
    if what not in names:
        if what.endswith(".toml") or what in bundled.names() or Path(what).expanduser().is_file():
            recipe = load_recipe(what, overrides)
            return Selection.of(recipe, resolve_dataset(recipe))
        if Path(what).expanduser().is_dir():
            raise DataError(
                f'"{what}" is a folder; name the set and, with --root, the folder, like '
                f"`cganzoo data info folder --root {shlex.quote(what)}`"
            )
        if hint := did_you_mean(what, names | set(bundled.names())):
            raise DataError(f'"{what}" is neither a data set nor a recipe; {hint}')
    spec = registry.get("dataset", what).spec
    assert isinstance(spec, DatasetSpec)
    given = {override.partition("=")[0].strip() for override in overrides}
    if spec.image_size is None and "data.image_size" not in given:
        raise DataError(
            f'data set "{what}": its images have many sizes; choose one size for all images, for example --size 64'
        )
    root = spec.config.model_fields.get("root")
    if root is not None and root.is_required() and "data.root" not in given:
        raise DataError(f'data set "{what}": name the place of its images with --root: {root.description}')
    recipe = dataset_recipe(what, overrides, spec.image_size)
    return Selection.of(recipe, resolve_dataset(recipe, registry))


def find_archive(name: str) -> Archive | None:
    """The archive to download of the data set of this name; ``None`` if it needs none.

    Raises:
        DataError: the set cannot be downloaded, so the user must provide a copy.
    """
    spec = _registry(name).get("dataset", name).spec
    assert isinstance(spec, DatasetSpec)
    root = spec.config.model_fields.get("root")
    if spec.archive is None and root is not None:
        raise DataError(
            f'data set "{spec.name}": cannot be downloaded; name your own copy with data.root or --root: '
            f"{root.description}"
        )
    return spec.archive


def _registry(what: str) -> Registry:
    """The registry that knows ``what``: the host's own sets and bundled recipes need no plugin."""
    host = load_plugins([])
    return host if what in _names(host) or what in bundled.names() else load_survivors()


def _names(registry: Registry) -> set[str]:
    return {name for component in registry.components("dataset") for name in (component.name, component.full_name)}


def load_data(resolved: Resolved, reporter: Reporter, check: Check | None = None) -> dict[str, ImageSet]:
    """The recipe's packed splits, ``"train"`` and, if the set has one, ``"test"``; ``check`` as in :func:`load`."""
    selection = Selection.of(resolved.recipe, resolved.dataset)
    return load(selection, open_source(selection, reporter), reporter, check)


def load(
    selection: Selection, source: ImageSource, reporter: Reporter, check: Check | None = None
) -> dict[str, ImageSet]:
    """The packed splits of ``source``, packed now if they are not in the cache.

    ``check`` is called when packing begins; if it raises, packing stops and nothing is kept.

    Raises:
        DataError: an image cannot be read, or there are fewer than two training images.
    """
    name = selection.spec.name
    begin, count = time.monotonic(), 0
    with reporter.stage("packing images") as show, reporter.stage("verifying", in_bytes=True) as verifying:

        def progress(done: int, total: int) -> None:
            nonlocal count
            if not count:
                _verify_download(selection)
                if check:
                    check(source.class_names)
            count = done
            show(done, total)

        splits = packed(
            source,
            name=name,
            image_size=selection.image_size,
            channels=selection.channels,
            progress=progress,
            verifying=verifying,
            say=lambda text: reporter.say(text, style="yellow"),
        )
    if count:
        seconds = time.monotonic() - begin
        reporter.say(f"packed {count:,} images in {seconds:.3g} s ({count / seconds:,.0f} a second)")
    left_out = {split: images.left_out for split, images in splits.items() if images.left_out}
    if left_out:
        counts = ", ".join(f"{count:,} {split}" for split, count in left_out.items())
        reporter.say(f"{counts} images are left out because of the options of {name}")
    train = splits["train"]
    if many := len(train.skipped):
        what = "1 unreadable image was" if many == 1 else f"{many:,} unreadable images were"
        reporter.say(f"{what} left out; the first: {train.skipped[0]}", style="yellow")
    if len(train.labels) < 2:
        raise DataError(f'data set "{name}": has {len(train.labels)} training images; it needs two or more')
    for note in [*train.notes, *unusual(splits)]:
        reporter.say(f"note: {note}", style="yellow")
    return splits


def unusual(splits: Mapping[str, ImageSet]) -> Iterator[str]:
    """What few data sets have on purpose: one class, classes without test images, classes of one training image."""
    train = splits["train"]
    counts = {split: np.bincount(data.labels, minlength=data.num_classes) for split, data in splits.items()}
    if train.num_classes == 1:
        yield f'the set has one class, "{_shown(train, [0])}"'
    if single := np.flatnonzero(counts["train"] == 1).tolist():
        yield f"{_classes(len(single))} one training image: {_shown(train, single)}"
    if "test" in counts and (untested := np.flatnonzero(counts["test"] == 0).tolist()):
        yield f"{_classes(len(untested))} no test image: {_shown(train, untested)}"


def _classes(count: int) -> str:
    return "1 class has" if count == 1 else f"{count:,} classes have"


def _shown(data: ImageSet, labels: Sequence[int]) -> str:
    names = [printable(shortened(data.class_names[label])) for label in labels[:5]]
    return listed([*names, *([f"{len(labels) - 5:,} more"] if len(labels) > 5 else [])], "and")


def _verify_download(selection: Selection) -> None:
    """Verify a downloaded archive before its images are packed, if its checksum is known."""
    archive = selection.spec.archive
    if archive is not None and selection.config.root is None:
        verify(downloads() / archive.filename)


def open_source(selection: Selection, reporter: Reporter) -> ImageSource:
    """The set, downloaded (if the user agrees) and unpacked if necessary."""
    config = selection.config
    if selection.spec.archive is not None:
        place = _find(selection.spec, selection.spec.archive, config, reporter)
        if is_tar(place) and is_tar(Path(selection.spec.archive.filename)):
            unpack(place, reporter)  # shows the progress; the set's messages name the archive, not its unpacked copy
        config = config.model_copy(update={"root": str(place)})
    elif getattr(config, "unpacks_tar", False) and is_tar(root := Path(config.root).expanduser()) and root.is_file():
        unpack(root, reporter)
    source: ImageSource = selection.spec.build(config)
    return source


def place_of(splits: Mapping[str, ImageSet]) -> Path:
    """The folder of a packed set."""
    images = splits["train"].images
    assert isinstance(images, np.memmap)
    return Path(str(images.filename)).parent


def downloads() -> Path:
    """The folder of downloaded archives, used if a recipe names no other place."""
    return cache_folder() / "downloads"


def download(archive: Archive, reporter: Reporter, folder: Path | None = None, mirror: str | None = None) -> Path:
    """The path of an archive in ``folder``, downloaded now, if necessary from another address."""
    if folder is not None and folder.exists() and not folder.is_dir():
        raise DataError(f"--to {folder}: is a file; name the folder to keep {archive.filename} in")
    with reporter.stage(f"downloading {archive.filename}", in_bytes=True) as progress:
        return fetch(archive, folder or downloads(), progress, mirror=mirror)


def unpack(archive: Path, reporter: Reporter) -> Path:
    """The folder with a tar archive's contents, unpacked now if necessary."""
    with reporter.stage(f"unpacking {archive.name}", in_bytes=True) as progress:
        return unpacked(archive, progress, say=lambda text: reporter.say(text, style="yellow"))


def _find(spec: DatasetSpec[Any], archive: Archive, config: ArchiveConfig, reporter: Reporter) -> Path:
    """The archive or folder that the options name, or the downloaded archive."""
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
    size = "of unknown size" if archive.size is None else amount(archive.size)
    question = f"{spec.name} is not on this machine. Download {size} from {archive.url} to {downloads()}?"
    if config.download or reporter.agrees(question):
        return download(archive, reporter)
    raise DataError(
        f'data set "{spec.name}" is not on this machine; run `cganzoo data get {spec.name}` ({size}), or '
        f"set data.download = true, or data.root to {archive.filename} or the folder that it was unpacked to"
    )
