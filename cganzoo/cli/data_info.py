"""Output of ``cganzoo data info``: classes, counts, sizes, places, and a grid of samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich import box
from rich.table import Table
from rich.text import Text

from cganzoo.console.reporter import amount
from cganzoo.console.streams import printable
from cganzoo.data.batches import to_unit
from cganzoo.data.cache import ImageSet
from cganzoo.data.source import ImageSource
from cganzoo.errors import DataError
from cganzoo.images.grids import class_grid
from cganzoo.session.dataset import Selection, downloads, place_of

Splits = Mapping[str, ImageSet]

SHOWN = 10  # classes in the table without --all
LOOKED_AT = 100  # images that are opened to find their sizes
GRID_ROWS, GRID_COLUMNS = 20, 10


def lines(selection: Selection, source: ImageSource, splits: Splits) -> Iterator[str]:
    """One line for each fact about a set, except its classes."""
    classes, size = splits["train"].num_classes, selection.image_size
    kind = "gray" if selection.channels == 1 else "RGB"
    yield f"{selection.spec.name}: {classes:,} classes, packed at {size} x {size} px, {kind}"
    yield f"images       {printable(_place(selection))}"
    if layout := splits["train"].layout:
        yield f"layout       {layout}"
    yield f"their size   {_original_sizes(source)}"
    place = place_of(splits)
    yield f"packed       {place} ({amount(sum(file.stat().st_size for file in place.iterdir()))})"
    yield "fingerprint  " + ", ".join(f"{name} {split.fingerprint}" for name, split in splits.items())


def _place(selection: Selection) -> str:
    root = getattr(selection.config, "root", None)
    if root is not None:
        return str(root)
    archive = selection.spec.archive
    return "part of the software" if archive is None else str(downloads() / archive.filename)


def _original_sizes(source: ImageSource) -> str:
    """The sizes of some training images, spread over all classes."""
    count = len(source.labels()["train"])
    sizes = set()
    for index in np.unique(np.linspace(0, count - 1, LOOKED_AT).astype(int)):
        try:
            image = source.read("train", int(index))
        except DataError:  # packing has reported it
            continue
        if image is not None:
            sizes.add(image.size)
    first, *others = [f"{width} x {height}" for width, height in sorted(sizes, key=math.prod)]
    return f"{first} to {others[-1]} px, in {min(count, LOOKED_AT)} looked at" if others else f"{first} px"


def table(splits: Splits, *, every_class: bool = False) -> Table:
    """Number of images of each class (of many classes, the first few) and split, with their smallest and largest."""
    names = splits["train"].class_names
    counts = {name: np.bincount(split.labels, minlength=len(names)) for name, split in splits.items()}
    shown = len(names) if every_class or len(names) <= SHOWN + 1 else SHOWN
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class", overflow="fold")
    for split in splits:
        table.add_column(split, justify="right")
    for label in range(shown):
        table.add_row(Text(names[label]), *(f"{count[label]:,}" for count in counts.values()))
    if shown < len(names):
        table.add_row(Text(f"{len(names) - shown:,} more: --all", "dim"))
    table.add_section()
    for name, figure in (("smallest class", np.min), ("median", np.median), ("largest class", np.max)):
        if len(names) > 2:
            table.add_row(Text(name, "dim"), *(Text(f"{figure(count):,.0f}", "dim") for count in counts.values()))
    table.add_row(Text("all", "bold"), *(Text(f"{count.sum():,}", "bold") for count in counts.values()))
    return table


def grid(data: ImageSet) -> Image.Image:
    """The first images of the first classes, one row for each class."""
    images = {}
    for label in range(min(data.num_classes, GRID_ROWS)):
        chosen = np.flatnonzero(data.labels == label)[:GRID_COLUMNS]
        images[label] = to_unit(torch.from_numpy(data.images[chosen]))
    return class_grid(images, data.class_names, GRID_COLUMNS)


def picture_file(selection: Selection, chosen: Path | None) -> Path:
    """The grid's file, unless the user's choice is not the name of a picture."""
    if chosen is not None and chosen.suffix.lower() not in Image.registered_extensions():
        raise DataError(f"--out {chosen}: is not the name of a picture; end it in .png")
    return chosen or Path(f"{selection.spec.name}-{selection.image_size}px.png")
