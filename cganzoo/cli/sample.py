"""``cganzoo sample``: a grid, or single images, from a run or an exported file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from cganzoo._util.memory import memory_limit
from cganzoo.console.reporter import amount
from cganzoo.data.batches import to_pixels
from cganzoo.errors import RunError
from cganzoo.extractor import Extractor
from cganzoo.images import grids
from cganzoo.images.grids import BATCH_SIZE, COLUMNS, first_of_each, predicted_classes
from cganzoo.images.trained_generator import TrainedGenerator, class_index, from_run, load_generator
from cganzoo.runs.folder import RunFolder, find_run
from cganzoo.session.device import pick_device

DEFAULT_ROWS = 10
MAX_BATCHES = 200
"""Batches of an unconditional generator that are searched for a class."""


def draw(source: str, class_names: Sequence[str], count: int | None, out: Path, seed: int, device_name: str) -> Path:
    """Draw images and write a grid to ``out`` if that is the name of a picture, else single images to the folder.

    Args:
        source: run folder, or exported file.
        class_names: classes to draw, names or indices. Default: all, or unsorted for an unconditional generator.
        count: number of images, shared by the classes. Default: ten of each requested class, or of the first ten.
        out: picture file or folder.
        seed: of the noise.
        device_name: where to work.
    """
    device = pick_device(device_name)
    folder = None if Path(source).is_file() else find_run(source)
    trained = load_generator(source, device) if folder is None else from_run(folder, device)
    classes = [class_index(trained.class_names, name) for name in class_names]
    rows = classes or list(range(len(trained.class_names)))
    if count is None:
        rows = rows if classes else rows[:DEFAULT_ROWS]
        count = COLUMNS * len(rows)
    _check_count(trained, count)
    share, more = divmod(count, len(rows))
    wanted = [label for index, label in enumerate(rows) for _ in range(share + (index < more))]
    as_grid = out.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp")
    if not trained.conditional and not classes:
        images = trained.sample(count, seed=seed)
        return grids.save(grids.grid(images, COLUMNS), out) if as_grid else _write_folder(images, [], out)
    if trained.conditional:
        found = first_of_each(
            [(trained.sample(count, classes=wanted, seed=seed), torch.tensor(wanted))], Counter(wanted)
        )
    else:
        found = _find(trained, _classifier(folder, device), Counter(wanted), seed)
    if as_grid:
        return grids.save(grids.class_grid(found, trained.class_names), out)
    names = [trained.class_names[label] for label, images in found.items() for _ in images]
    return _write_folder(torch.cat(list(found.values())), names, out)


def _check_count(trained: TrainedGenerator, count: int) -> None:
    """Refuse more images than can be in memory at once."""
    limit = memory_limit()
    if count > BATCH_SIZE and limit is not None:
        classes = [0] if trained.conditional else None
        needed = count * (trained.sample(1, classes=classes).nbytes + trained.latent_dim * 4)
        if needed > limit:
            raise RunError(
                f"-n {count}: these images take at least {amount(needed)}, but this process can have {amount(limit)}; "
                "draw fewer at a time, with another --seed each time"
            )


def _classifier(folder: RunFolder | None, device: torch.device) -> Extractor:
    from cganzoo.evaluate.classifier import of_run  # timm takes seconds to import, and only this needs it

    if folder is None or (classifier := of_run(folder, device)) is None:
        raise RunError(
            "--class: this generator is unconditional, and there is no classifier to find images of a class with; "
            "name a run folder whose evaluation has run, or leave --class out"
        )
    return classifier


def _find(trained: TrainedGenerator, classifier: Extractor, wanted: Counter[int], seed: int) -> dict[int, Tensor]:
    """Draw samples until the classifier has found enough images of each wanted class; return these images."""
    batches = (trained.sample(BATCH_SIZE, seed=seed + batch) for batch in range(MAX_BATCHES))
    found = first_of_each(((images, predicted_classes(classifier, images)) for images in batches), wanted)
    for label, needed in wanted.items():
        if len(found[label]) < needed:
            raise RunError(
                f"--class {trained.class_names[label]}: the run's classifier found {len(found[label])} of this class "
                f"in {MAX_BATCHES * BATCH_SIZE} samples, and {needed} are wanted: the generator hardly makes it; "
                "lower -n"
            )
    return found


def _write_folder(images: Tensor, names: Sequence[str], out: Path) -> Path:
    """Single PNG files, numbered; the name of the class, if given, is part of the file name."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for index, pixels in enumerate(to_pixels(images).permute(0, 2, 3, 1).squeeze(-1).numpy()):
            safe = "".join(character if character.isalnum() else "_" for character in names[index]) if names else ""
            Image.fromarray(pixels).save(out / f"{index:05d}{safe and '-' + safe}.png")
    except OSError as error:
        raise RunError(
            f"--out {out}: cannot be written ({error.strerror or error}); name a folder, or a picture ending in .png"
        ) from error
    return out
