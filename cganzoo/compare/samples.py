"""Pictures of the report: samples of every method from the same noise and classes. They become part of the page."""

from __future__ import annotations

import base64
import io
from contextlib import suppress
from typing import Any

import torch
from PIL import Image

from cganzoo._util.memory import described
from cganzoo.console.reporter import Stage
from cganzoo.errors import CganzooError
from cganzoo.images.drawn import drawn
from cganzoo.images.generator import TrainedGenerator
from cganzoo.images.grids import COLUMNS, class_grid, draw_by_class, grid
from cganzoo.images.trained_generator import from_run
from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder

from .comparison import Comparison
from .read import Run

SHEET_ROWS, MOST_ROWS = 10, 40
SEED = 0


def draw_samples(
    comparison: Comparison, device: torch.device, stage: Stage
) -> tuple[dict[str, Any], list[str], list[str]]:
    """The values ``"grids"`` and ``"neighbours"`` of the view, and a warning for each method without samples.

    Also returns a warning for each method whose checkpoint is damaged, so that its samples are older or missing.
    """
    seed = _common_seed(comparison)
    pictures: dict[str, Any] = {}
    neighbours: dict[str, str] = {}
    classes: list[str] = []
    notes: list[str] = []
    found: list[str] = []
    damaged: list[str] = []
    with stage("drawing samples") as progress:
        for done, method in enumerate(comparison.methods):
            progress(done, len(comparison.methods))
            runs = sorted(comparison.finished(method), key=lambda run: run.cell.seed != seed)
            if not runs:
                continue
            run = runs[0]
            if run.cell.seed != seed:
                notes.append(f"{method.label}: seed {run.cell.seed}.")
            try:
                trained = from_run(run.cell.folder, device, warn=lambda message: None)  # the step says so below
                if run.manifest.step is not None and trained.origin.step != run.manifest.step:
                    damaged.append(
                        f"{method.label}: the samples are of step {trained.origin.step}: {run.cell.folder.checkpoints} "
                        f"has no readable checkpoint of step {run.manifest.step}."
                    )
                names = list(trained.class_names)
                if classes and names != classes:
                    found.append(f"{method.label}: no samples are shown: its data set has other classes.")
                    continue
                classes = names
                pictures[method.name] = _pictures(trained, run.cell.folder, device)
                if picture := _neighbours(run):
                    neighbours[method.name] = picture
            except Exception as error:  # a plugin's error or a damaged picture: the numbers are still worth a report
                reason = str(error) if isinstance(error, CganzooError) else described(error)
                broken = _damaged_checkpoints(run)
                reasons = [reason, *(message for message in broken if message not in reason)]
                shown = f"{method.label}: no samples are shown: {'; '.join(reasons[:2]).rstrip('.')}."
                (damaged if broken else found).append(shown)
        progress(len(comparison.methods), len(comparison.methods))
    notes.insert(0, _note(seed, len(classes)))
    grids_of = {"note": " ".join(notes), "classes": classes[:MOST_ROWS], "methods": pictures}
    return {"grids": grids_of, "neighbours": neighbours}, found, damaged


def _damaged_checkpoints(run: Run) -> list[str]:
    with suppress(Exception):
        return checkpoint.newest(run.cell.folder.checkpoints)[1]
    return []


def _note(seed: int | None, classes: int) -> str:
    some = f" The first {MOST_ROWS} of {classes} classes are shown." if classes > MOST_ROWS else ""
    return (
        f"Last checkpoint of seed {seed}. All methods get the same classes, and the same noise (seed {SEED}) if their "
        "noise has the same size. The samples of an unconditional generator are sorted by the classifier of its "
        f"run.{some}"
    )


def _common_seed(comparison: Comparison) -> int | None:
    """The first seed that all methods finished, or else the first that one did."""
    seeds = [[run.cell.seed for run in comparison.finished(method)] for method in comparison.methods]
    every = [seed for found in seeds for seed in found]
    return min(every, key=lambda seed: any(found and seed not in found for found in seeds), default=None)


def _pictures(trained: TrainedGenerator, folder: RunFolder, device: torch.device) -> dict[str, Any]:
    names, classifier = trained.class_names[:MOST_ROWS], None
    if not trained.conditional and folder.extractor_file.is_file():
        from cganzoo.evaluate.classifier import of_run  # timm takes seconds to import

        classifier = of_run(folder, device)
    turn = [label for label in range(len(names)) for _ in range(COLUMNS)]
    generator = drawn(trained.generator, trained.batch_statistics, None)
    found = draw_by_class(generator, len(trained.class_names), turn, classifier, seed=SEED)
    if found is None:  # no classifier to sort by
        images = trained.sample(COLUMNS * SHEET_ROWS, seed=SEED)
        return {"sheet": _uri(grid(images, COLUMNS)), "rows": [None] * len(names)}
    first = dict(list(found.items())[:SHEET_ROWS])
    rows = [_uri(grid(images, COLUMNS)) if len(images) else None for images in found.values()]
    return {"sheet": _uri(class_grid(first, names)), "rows": rows}


def _neighbours(run: Run) -> str | None:
    found = sorted(run.cell.folder.samples.glob("*neighbours-step-*.png"))
    return _uri(Image.open(found[-1])) if found else None


def _uri(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
