"""``cganzoo sample --interpolate``: rows from one image to another, as a strip or an animation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cganzoo.console.reporter import Reporter
from cganzoo.errors import RunError
from cganzoo.images import animation, grids
from cganzoo.images.requests import check_memory
from cganzoo.session.device import pick_device

from .sample import DEFAULT_ROWS, How, labels_of, open_generator
from .sample_files import PICTURES

ANIMATED = ".webp"


def interpolate(
    source: str,
    class_names: Sequence[str],
    rows: int | None,
    steps: int | None,
    out: Path,
    how: How,
    device_name: str,
    reporter: Reporter,
) -> Path:
    """Write a strip to ``out``, one row for each interpolation; an animation if the name ends in .webp.

    Args:
        source: run folder, or exported file.
        class_names: two classes, for images between them; one or none, for images between two noises.
        rows: number of rows. Default: ten, or one for each class if there are fewer and none is named.
        steps: images of a row. Default: ten, or 25 of an animation.
        out: picture file.
        how: seed of the noise, truncation, and statistics of batch normalisation.
        device_name: where to work.
        reporter: shows which checkpoint and classes are used.
    """
    ending = out.suffix.lower()
    if ending not in PICTURES:
        raise RunError(
            f"--out {out}: --interpolate writes one picture; end it in .png or .jpg for a strip, or in .webp for an "
            "animation"
        )
    _, trained = open_generator(source, pick_device(device_name), how, reporter)
    names = [trained.class_names[label] for label in labels_of(class_names, trained, reporter)]
    turn = names or (list(trained.class_names) if trained.conditional else [])
    if rows is None:
        rows = DEFAULT_ROWS if names or not turn else min(DEFAULT_ROWS, len(turn))
    named = "-n" if steps is None else "-n x --steps"
    if steps is None:
        steps = animation.FRAMES if ending == ANIMATED else grids.COLUMNS
    check_memory(rows * steps, trained.bytes_each, named)
    images = trained.interpolate(rows, steps=steps, classes=names or None, **how)
    if ending == ANIMATED:
        return animation.animated(images, out)
    return grids.save(animation.strip(images, _row_names([" to ".join(names)] if len(names) == 2 else turn, rows)), out)


def _row_names(turn: Sequence[str], rows: int) -> list[str]:
    """The names in turn, one for each row; one that is that of the row before is left out."""
    names = [turn[row % len(turn)] for row in range(rows if turn else 0)]
    return [name if row == 0 or name != names[row - 1] else "" for row, name in enumerate(names)]
