"""``cganzoo sample``: a grid, or single images, from a run or an exported file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from cganzoo.data.batches import to_pixels
from cganzoo.errors import RunError
from cganzoo.extractor import Extractor
from cganzoo.images import grids
from cganzoo.images.trained import TrainedGenerator, class_index, from_run, load_generator
from cganzoo.runs.folder import RunFolder, find_run
from cganzoo.session.run import pick_device

COLUMNS = 10
DEFAULT_ROWS = 10
PATIENCE = 200  # batches to draw from an unconditional generator before a wanted class is given up


def draw(source: str, class_names: Sequence[str], count: int | None, out: Path, seed: int, device_name: str) -> Path:
    """Draw images and write them: to ``out`` as a grid if it is a picture's name, else into the folder ``out``.

    Args:
        source: run folder, or exported file.
        class_names: classes to draw, names or indices; none: all, or unsorted for an unconditional generator.
        count: images in all, shared by the classes; default: ten of each class asked for, or of the first ten.

    Raises:
        RunError: no such run or class, or a class of an unconditional generator without a classifier to pick by.
    """
    device = pick_device(device_name)
    folder = None if Path(source).is_file() else find_run(source)
    trained = load_generator(source, device) if folder is None else from_run(folder, device)
    labels = [class_index(trained.class_names, name) for name in class_names]
    rows = labels or list(range(len(trained.class_names)))
    if count is None:
        rows = rows if labels else rows[:DEFAULT_ROWS]
        count = COLUMNS * len(rows)
    if trained.conditional:
        wanted = _by_class(count, rows)
        images = trained.sample(count, classes=wanted, seed=seed)
    elif labels:
        wanted = _by_class(count, rows)
        images = _picked(trained, _classifier(folder, device), wanted, seed)
    else:
        wanted = None
        images = trained.sample(count, seed=seed)
    names = None if wanted is None else [trained.class_names[label] for label in wanted]
    if out.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
        return _write_grid(images, names, out)
    return _write_folder(images, names, out)


def _by_class(count: int, rows: Sequence[int]) -> list[int]:
    """The class of each image: ``count`` shared as evenly as can be, class after class."""
    share, more = divmod(count, len(rows))
    return [label for index, label in enumerate(rows) for _ in range(share + (index < more))]


def _classifier(folder: RunFolder | None, device: torch.device) -> Extractor:
    if folder is None or not folder.extractor_file.is_file():
        raise RunError(
            "--class: this generator is unconditional, and there is no classifier beside it to pick a class by; "
            "name a run folder whose evaluation has run, or leave --class out"
        )
    from cganzoo.evaluate import classifier  # timm takes seconds to import, and only this needs it

    return classifier.load(folder.extractor_file, device)


@torch.inference_mode()
def _picked(trained: TrainedGenerator, judge: Extractor, wanted: Sequence[int], seed: int) -> Tensor:
    """Draw until the classifier has seen enough of each wanted class."""
    missing = {label: list(wanted).count(label) for label in dict.fromkeys(wanted)}
    found: dict[int, list[Tensor]] = {label: [] for label in missing}
    for batch in range(PATIENCE):
        images = trained.sample(250, seed=seed + batch)
        seen = judge(images.to(next(judge.parameters()).device))[1].argmax(1).cpu()
        for label, needed in missing.items():
            found[label] += images[seen == label][: needed - len(found[label])]
        if all(len(found[label]) == needed for label, needed in missing.items()):
            return torch.stack([image for label in missing for image in found[label]])
    scarce = next(label for label, needed in missing.items() if len(found[label]) < needed)
    raise RunError(
        f"--class {trained.class_names[scarce]}: {PATIENCE * 250} samples held {len(found[scarce])} of this class "
        f"by the run's classifier, {missing[scarce]} were asked for: the generator hardly makes it; lower -n"
    )


def _write_grid(images: Tensor, names: Sequence[str] | None, out: Path) -> Path:
    """A grid with a row for each ten images of a class."""
    if names is None:
        return grids.save(grids.grid(images, COLUMNS), out)
    blank = torch.ones_like(images[0])
    cells, row_names = [], []
    for name in dict.fromkeys(names):
        members = [image for image, its in zip(images, names, strict=True) if its == name]
        for start in range(0, len(members), COLUMNS):
            row = members[start : start + COLUMNS]
            cells += row + [blank] * (COLUMNS - len(row))
            row_names.append(name if start == 0 else "")
    return grids.save(grids.grid(torch.stack(cells), COLUMNS, row_names), out)


def _write_folder(images: Tensor, names: Sequence[str] | None, out: Path) -> Path:
    """Single PNG files, numbered; a class's name is part of the file's."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for index, pixels in enumerate(to_pixels(images).permute(0, 2, 3, 1).squeeze(-1).numpy()):
            label = "" if names is None else f"-{_safe(names[index])}"
            Image.fromarray(pixels).save(out / f"{index:05d}{label}.png")
    except OSError as error:
        raise RunError(
            f"--out {out}: cannot be written ({error.strerror or error}); name a folder, or a picture ending in .png"
        ) from error
    return out


def _safe(name: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in name)
