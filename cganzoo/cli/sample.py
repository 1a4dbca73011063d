"""``cganzoo sample``: a grid, or single images, from a run or an exported file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor

from cganzoo.console.reporter import Reporter
from cganzoo.errors import RunError
from cganzoo.extractor import Extractor
from cganzoo.images import grids
from cganzoo.images.drawn import BatchStatistics
from cganzoo.images.generator import TrainedGenerator
from cganzoo.images.grids import BATCH_SIZE, COLUMNS, first_of_each, predicted_classes
from cganzoo.images.requests import check_memory, class_index, shown
from cganzoo.images.trained_generator import from_run, load_generator
from cganzoo.runs.folder import RunFolder, find_run
from cganzoo.session.device import pick_device

from .sample_files import is_picture, write_folder

DEFAULT_ROWS = 10
MAX_BATCHES = 200
"""Batches of an unconditional generator that are searched for a class."""


class How(TypedDict):
    """How images are drawn: see :meth:`~cganzoo.images.generator.TrainedGenerator.sample`."""

    seed: int
    truncation: float | None
    statistics: BatchStatistics | None


def draw(
    source: str,
    class_names: Sequence[str],
    count: int | None,
    out: Path,
    how: How,
    device_name: str,
    reporter: Reporter,
) -> Path:
    """Draw images and write a grid to ``out`` if that is the name of a picture, else single images to the folder.

    Args:
        source: run folder, or exported file.
        class_names: classes to draw, names or indices. Default: all, or unsorted for an unconditional generator.
        count: number of images, shared by the classes. Default: ten of each requested class, or of the first ten.
        out: picture file or folder.
        how: seed of the noise, truncation, and statistics of batch normalisation.
        device_name: where to work.
        reporter: shows which checkpoint and classes are used, and the search for images of a class.
    """
    as_grid = is_picture(out)
    device = pick_device(device_name)
    folder, trained = open_generator(source, device, how, reporter)
    classes = labels_of(class_names, trained, reporter)
    rows = classes or list(range(len(trained.class_names)))
    if count is None:
        rows = rows if classes else rows[:DEFAULT_ROWS]
        count = COLUMNS * len(rows)
    check_memory(count, trained.bytes_each, "-n")
    share, more = divmod(count, len(rows))
    wanted = [label for index, label in enumerate(rows) for _ in range(share + (index < more))]
    if (how["statistics"] or trained.batch_statistics) == "batch" and count > BATCH_SIZE:
        wanted = (rows * (share + 1))[:count]  # as many of each class, but every batch has all classes
    if not trained.conditional and not classes:
        images = trained.sample(count, **how)
        return grids.save(grids.grid(images, COLUMNS), out) if as_grid else write_folder(images, [], out)
    if trained.conditional:
        drawn = trained.sample(count, classes=[trained.class_names[label] for label in wanted], **how)
        found = first_of_each([(drawn, torch.tensor(wanted))], Counter(wanted))
    else:
        found = _find(trained, _classifier(folder, device), Counter(wanted), how, reporter)
    if as_grid:
        return grids.save(grids.class_grid(found, trained.class_names), out)
    names = [trained.class_names[label] for label, images in found.items() for _ in images]
    return write_folder(torch.cat(list(found.values())), names, out)


def open_generator(
    source: str, device: torch.device, how: How, reporter: Reporter
) -> tuple[RunFolder | None, TrainedGenerator]:
    """The folder of a run and its generator; ``None`` and the generator of an exported file."""
    folder = None if _is_export(source) else find_run(source)
    if folder is None:
        trained = load_generator(source, device)
    else:
        trained = from_run(folder, device, warn=lambda text: reporter.say(text, style="yellow"))
    if how["statistics"] and not trained.has_batch_statistics:
        text = "--statistics: this generator has no batch normalisation, so both give the same images"
        reporter.say(text, style="yellow")
    return folder, trained


def labels_of(class_names: Sequence[str], trained: TrainedGenerator, reporter: Reporter) -> list[int]:
    """The labels of classes that the user named; the class that an index means is shown."""
    labels = [class_index(trained.class_names, name) for name in class_names]
    for name, label in zip(class_names, labels, strict=True):
        if name != trained.class_names[label]:
            reporter.say(f'--class {name}: index {label} is class "{shown(trained.class_names[label])}"')
    return labels


def _is_export(source: str) -> bool:
    path = Path(source).expanduser()
    return path.is_file() or (path.suffix == ".safetensors" and not path.is_dir())


def _classifier(folder: RunFolder | None, device: torch.device) -> Extractor:
    from cganzoo.evaluate.classifier import of_run  # timm takes seconds to import, and only this needs it

    if folder is None or (classifier := of_run(folder, device)) is None:
        raise RunError(
            "--class: this generator is unconditional, and there is no classifier to find images of a class with; "
            "name a run folder whose evaluation has run, or leave --class out"
        )
    return classifier


def _find(
    trained: TrainedGenerator, classifier: Extractor, wanted: Counter[int], how: How, reporter: Reporter
) -> dict[int, Tensor]:
    """Draw samples until the classifier has found enough images of each wanted class; return these images."""
    most = MAX_BATCHES * BATCH_SIZE
    reporter.say(
        "--class: this generator is unconditional and takes no class; the run's classifier looks for "
        f"{sum(wanted.values()):,} images of {'this class' if len(wanted) == 1 else 'these classes'} in up to {most:,} "
        "samples",
        style="yellow",
    )
    with reporter.stage("searching samples for the class") as progress:

        def batches() -> Iterator[tuple[Tensor, Tensor]]:
            for batch in range(MAX_BATCHES):
                images = trained.sample(BATCH_SIZE, **how | {"seed": how["seed"] + batch})
                yield images, predicted_classes(classifier, images)
                progress((batch + 1) * BATCH_SIZE, most)

        found = first_of_each(batches(), wanted)
    for label, needed in wanted.items():
        if len(found[label]) < needed:
            raise RunError(
                f"--class {shown(trained.class_names[label])}: the run's classifier found {len(found[label])} of this "
                f"class in {most:,} samples, and {needed:,} are wanted: the generator hardly makes it; lower -n"
            )
    return found
