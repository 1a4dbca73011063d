"""Pictures of interpolations: strips, and animations that go from the first image to the last and back."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path

from PIL import Image
from torch import Tensor

from .grids import COLUMNS, check_size, grid, save

FRAMES = 25
"""Steps of an animation, unless a user says otherwise; the first second."""
FRAME, PAUSE = 40, 400  # milliseconds; the first and the last image stay longer
QUALITY = 90


def strip(rows: Tensor, names: Sequence[str]) -> Image.Image:
    """Rows of images (n, steps, C, H, W) in [-1, 1] as one picture, with a name before each row."""
    return grid(rows.flatten(0, 1), rows.shape[1], names)


def animated(rows: Tensor, path: Path) -> Path:
    """Write an animated WebP in which all rows (n, steps, C, H, W) run to their end and back, again and again."""
    columns = _columns(len(rows))
    check_size(grid(rows[:, 0], columns), path)  # before all frames are drawn
    there = [grid(images, columns) for images in rows.unbind(1)]
    frames = [*there, *there[-2:0:-1]]
    pauses = [PAUSE if index in (0, len(there) - 1) else FRAME for index in range(len(frames))]
    first, *others = frames
    return save(first, path, save_all=True, append_images=others, duration=pauses, loop=0, quality=QUALITY)


def _columns(count: int) -> int:
    """Columns of a nearly square grid, without an empty cell if that is possible."""
    lowest = ceil(sqrt(count))
    return next((columns for columns in range(lowest, COLUMNS + 1) if count % columns == 0), lowest)
