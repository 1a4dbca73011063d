"""Images sorted by class: a few of each class, and their grid with one row (or more) for each class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from PIL import Image
from torch import Tensor

from cganzoo.extractor import Extractor
from cganzoo.networks import Generator

from . import grids
from .sampling import samples

COLUMNS = 10
BATCH_SIZE = 250
MAX_SORTED = 4_000
"""Samples of an unconditional generator that are sorted for one grid."""


def first_of_each(batches: Iterable[tuple[Tensor, Tensor]], counts: Mapping[int, int]) -> dict[int, Tensor]:
    """The first images of each class; fewer if the batches do not hold as many.

    Args:
        batches: at least one, of images (N, C, H, W) and their classes (N,). No batch is taken after all are found.
        counts: how many images of each class are wanted.

    Returns:
        Images (n, C, H, W) by class, in the order of ``counts``.
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
    logits: Tensor = classifier(images.to(next(classifier.parameters()).device))[1]
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
    """Draw :data:`COLUMNS` samples of each class, on the CPU.

    Args:
        generator: see :func:`~cganzoo.images.sampling.ready_to_sample`.
        num_classes: of the data set.
        classes: the classes to draw. A conditional generator gets them in turn, so a class that is listed ten times is
            drawn ten times in a row.
        classifier: sorts the samples of an unconditional generator by class.
        seed: of the noise.
        most_frequent: show the most frequent classes of the samples of an unconditional generator instead of
            ``classes``, and as many.

    Returns:
        Samples by class; ``None`` if the generator is unconditional and there is no classifier.
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
    return grids.grid(torch.cat(rows), columns, names)
