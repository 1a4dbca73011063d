"""``cganzoo sample``: a grid, or single images, from a run or an exported file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from cganzoo._util.files import names_in
from cganzoo.console.reporter import Reporter
from cganzoo.data.batches import to_pixels
from cganzoo.errors import RunError
from cganzoo.extractor import Extractor
from cganzoo.images import grids
from cganzoo.images.grids import BATCH_SIZE, COLUMNS, first_of_each, predicted_classes
from cganzoo.images.requests import check_memory, class_index, shown
from cganzoo.images.trained_generator import TrainedGenerator, from_run, load_generator
from cganzoo.runs.folder import RunFolder, find_run
from cganzoo.session.device import pick_device

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
"""Endings of the picture of a grid."""

OTHER_PICTURES = (
    *(".apng", ".avif", ".bmp", ".eps", ".gif", ".heic", ".heif", ".ico", ".jfif", ".jp2"),
    *(".jxl", ".pbm", ".pdf", ".pgm", ".ppm", ".psd", ".svg", ".tga", ".tif", ".tiff"),
)
"""Endings that a user may expect to work, so that they are no names of folders."""

NUMBERED = re.compile(r"\d{5,}(-.*)?\.png")
"""Name of a single image."""

DEFAULT_ROWS = 10
MAX_BATCHES = 200
"""Batches of an unconditional generator that are searched for a class."""


def draw(
    source: str,
    class_names: Sequence[str],
    count: int | None,
    out: Path,
    seed: int,
    device_name: str,
    reporter: Reporter,
) -> Path:
    """Draw images and write a grid to ``out`` if that is the name of a picture, else single images to the folder.

    Args:
        source: run folder, or exported file.
        class_names: classes to draw, names or indices. Default: all, or unsorted for an unconditional generator.
        count: number of images, shared by the classes. Default: ten of each requested class, or of the first ten.
        out: picture file or folder.
        seed: of the noise.
        device_name: where to work.
        reporter: shows which checkpoint and classes are used, and the search for images of a class.
    """
    as_grid = _is_picture(out)
    device = pick_device(device_name)
    folder = None if _is_export(source) else find_run(source)
    if folder is None:
        trained = load_generator(source, device)
    else:
        trained = from_run(folder, device, warn=lambda text: reporter.say(text, style="yellow"))
    classes = [class_index(trained.class_names, name) for name in class_names]
    for name, label in zip(class_names, classes, strict=True):
        if name != trained.class_names[label]:
            reporter.say(f'--class {name}: index {label} is class "{shown(trained.class_names[label])}"')
    rows = classes or list(range(len(trained.class_names)))
    if count is None:
        rows = rows if classes else rows[:DEFAULT_ROWS]
        count = COLUMNS * len(rows)
    check_memory(count, trained.bytes_each, "-n")
    share, more = divmod(count, len(rows))
    wanted = [label for index, label in enumerate(rows) for _ in range(share + (index < more))]
    if not trained.conditional and not classes:
        images = trained.sample(count, seed=seed)
        return grids.save(grids.grid(images, COLUMNS), out) if as_grid else _write_folder(images, [], out)
    if trained.conditional:
        drawn = trained.sample(count, classes=[trained.class_names[label] for label in wanted], seed=seed)
        found = first_of_each([(drawn, torch.tensor(wanted))], Counter(wanted))
    else:
        found = _find(trained, _classifier(folder, device), Counter(wanted), seed, reporter)
    if as_grid:
        return grids.save(grids.class_grid(found, trained.class_names), out)
    names = [trained.class_names[label] for label, images in found.items() for _ in images]
    return _write_folder(torch.cat(list(found.values())), names, out)


def _is_picture(out: Path) -> bool:
    """Whether ``out`` is the name of a picture, else of a folder; an error if nothing can be written there."""
    ending = out.suffix.lower()
    if ending in PICTURES:
        return True
    if ending in OTHER_PICTURES:
        raise RunError(f"--out {out}: pictures end in {', '.join(PICTURES)}; write one of these, or name a folder")
    try:
        before = sorted(name for name in names_in(out) if NUMBERED.fullmatch(name)) if out.is_dir() else []
    except OSError as error:
        raise RunError(f"--out {out}: cannot be read ({error.strerror or error}); name another folder") from error
    if before:
        raise RunError(f"--out {out}: has images of an earlier call, like {before[0]}; name another folder")
    return False


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
    trained: TrainedGenerator, classifier: Extractor, wanted: Counter[int], seed: int, reporter: Reporter
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
                images = trained.sample(BATCH_SIZE, seed=seed + batch)
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


def _write_folder(images: Tensor, names: Sequence[str], out: Path) -> Path:
    """Single PNG files, numbered; the name of the class, if given, is part of the file name."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for index, pixels in enumerate(to_pixels(images).permute(0, 2, 3, 1).squeeze(-1).numpy()):
            name = names[index][: grids.LONGEST_NAME] if names else ""
            safe = "".join(character if character.isalnum() else "_" for character in name)
            Image.fromarray(pixels).save(out / f"{index:05d}{safe and '-' + safe}.png")
    except OSError as error:
        raise RunError(
            f"--out {out}: cannot be written ({error.strerror or error}); name a folder, or a picture ending in .png"
        ) from error
    return out
