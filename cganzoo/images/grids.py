"""Grids of images: samples sorted by class, rows with names, and saving a picture."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from cganzoo._util.text import shortened
from cganzoo.console.streams import printable
from cganzoo.data.batches import to_pixels
from cganzoo.errors import RunError
from cganzoo.extractor import Extractor
from cganzoo.networks import Generator

from .sampling import samples

COLUMNS = 10
BATCH_SIZE = 250
MAX_SORTED = 4_000
"""Samples of an unconditional generator that are sorted for one grid."""
MIN_CELL = 48  # pixels; smaller images are enlarged by a whole factor, without smoothing
GAP = 2
LONGEST_NAME = 40  # characters of a name before a row
LARGEST = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500}
"""The most pixels that a side of a picture can have, by the ending of its name."""


def first_of_each(batches: Iterable[tuple[Tensor, Tensor]], counts: Mapping[int, int]) -> dict[int, Tensor]:
    """The first ``counts[k]`` images of each class k, in the order of ``counts``; fewer if there are not as many.

    ``batches`` has at least one, of images (N, C, H, W) and their classes (N,). It is read until all are found.
    """
    found: dict[int, list[Tensor]] = {label: [] for label in counts}
    missing = dict(counts)
    for images, labels in batches:
        for label, count in missing.items():
            found[label].append(images[labels == label][:count])
            missing[label] -= len(found[label][-1])
        if not any(missing.values()):
            break
    return {label: torch.cat(parts) for label, parts in found.items()}


@torch.inference_mode()
def predicted_classes(classifier: Extractor, images: Tensor) -> Tensor:
    """The most likely class (N,) of each image, on the CPU."""
    weights = itertools.chain(classifier.parameters(), classifier.buffers())
    logits: Tensor = classifier(images.to(next(weights, images).device))[1]
    return logits.argmax(1).cpu()


@torch.inference_mode()
def draw_by_class(
    generator: Generator,
    num_classes: int,
    classes: Sequence[int],
    classifier: Extractor | None,
    *,
    seed: int,
    most_frequent: bool = False,
) -> dict[int, Tensor] | None:
    """Draw :data:`COLUMNS` samples of each class, on the CPU; ``None`` if there are no classes to draw by.

    Args:
        generator: see :func:`~cganzoo.images.sampling.ready_to_sample`.
        num_classes: of the data set.
        classes: the classes to draw. A conditional generator gets them in turn, so a class that is listed ten times is
            drawn ten times in a row.
        classifier: sorts the samples of an unconditional generator by class; without it, ``None`` is returned.
        seed: of the noise.
        most_frequent: draw the most frequent classes of an unconditional generator instead, as many as ``classes``.
    """
    wanted = list(dict.fromkeys(classes))
    batches: Iterable[tuple[Tensor, Tensor]]
    if generator.conditional:
        drawn = samples(generator, COLUMNS * len(wanted), BATCH_SIZE, num_classes, seed=seed, classes=classes)
        batches = [(images.cpu(), labels.cpu()) for images, labels in drawn if labels is not None]
    elif classifier is None:
        return None
    else:
        # Many more than are shown, so that the row of each class that the generator makes is full.
        count = min(10 * COLUMNS * num_classes, MAX_SORTED)
        drawn = samples(generator, count, BATCH_SIZE, num_classes, seed=seed)
        batches = [(images.cpu(), predicted_classes(classifier, images)) for images, _ in drawn]
        if most_frequent:
            frequencies = torch.cat([labels for _, labels in batches]).bincount()
            order = frequencies.argsort(descending=True, stable=True)[: len(wanted)].tolist()
            wanted = sorted(label for label in order if frequencies[label])
    return first_of_each(batches, dict.fromkeys(wanted, COLUMNS))


def grid(images: Tensor, columns: int, row_names: Sequence[str] | None = None) -> Image.Image:
    """A grid of images (N, C, H, W) in [-1, 1], row by row, with a name before each row if given."""
    pixels = to_pixels(images).cpu()
    if pixels.shape[1] == 1:
        pixels = pixels.expand(-1, 3, -1, -1)
    scale = max(1, -(-MIN_CELL // pixels.shape[-1]))
    pixels = pixels.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    cell = pixels.shape[-1]
    rows = -(-len(pixels) // columns)
    font = ImageFont.load_default(size=max(12, min(20, cell // 3)))
    row_names = [shortened(printable(name).replace("\n", " "), LONGEST_NAME) for name in row_names or ()]
    margin = max((round(font.getlength(name)) for name in row_names), default=0) + 12 if row_names else 0
    sheet = Image.new("RGB", (margin + columns * (cell + GAP) + GAP, rows * (cell + GAP) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for index, image in enumerate(pixels.permute(0, 2, 3, 1).numpy()):
        row, column = divmod(index, columns)
        sheet.paste(Image.fromarray(image), (margin + GAP + column * (cell + GAP), GAP + row * (cell + GAP)))
    for row, name in enumerate(row_names):
        draw.text((margin - 6, GAP + row * (cell + GAP) + cell / 2), name, fill="black", font=font, anchor="rm")
    return sheet


def class_grid(images: Mapping[int, Tensor], class_names: Sequence[str], columns: int = COLUMNS) -> Image.Image:
    """A grid of images (n, C, H, W) by class: rows of ``columns`` images, the last row of a class filled with white.

    The first row of each class is named.
    """
    rows, names = [], []
    for label, members in images.items():
        row_count = max(1, -(-len(members) // columns))
        white = members.new_ones(row_count * columns - len(members), *members.shape[1:])
        rows += [members, white]
        names += [class_names[label], *[""] * (row_count - 1)]
    return grid(torch.cat(rows), columns, names)


def picture(image: Tensor) -> Image.Image:
    """One image (C, H, W) in [-1, 1]."""
    pixels = to_pixels(image[None]).cpu()[0]
    return Image.fromarray(pixels.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())


def check_size(sheet: Image.Image, path: Path) -> None:
    """Raise :class:`RunError` if the format of a picture does not allow its size."""
    most = LARGEST.get(path.suffix.lower(), max(sheet.size))
    if max(sheet.size) > most:
        raise RunError(
            f"{path}: would have {sheet.width:,} x {sheet.height:,} pixels, but a {path.suffix} picture has at most "
            f"{most:,} on a side; draw fewer images, or end its name in .png"
        )


def save(sheet: Image.Image, path: Path, **options: Any) -> Path:
    """Write a picture, with these options of its format. The folder is created if necessary."""
    check_size(sheet, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path, **options)
    except OSError as error:
        raise RunError(f"{path}: saving failed: {error.strerror or error}") from error
    except ValueError as error:  # Pillow knows no format with this ending
        raise RunError(f"{path}: is no name of a picture; end it in .png") from error
    return path
