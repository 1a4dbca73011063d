"""Images as a grid with named rows, and saving a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from cganzoo.data.batches import to_pixels
from cganzoo.errors import RunError

MIN_CELL = 48  # pixels; smaller images are enlarged by a whole factor, without smoothing
GAP = 2


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
    margin = max((round(font.getlength(name)) for name in row_names), default=0) + 12 if row_names else 0
    sheet = Image.new("RGB", (margin + columns * (cell + GAP) + GAP, rows * (cell + GAP) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for index, image in enumerate(pixels.permute(0, 2, 3, 1).numpy()):
        row, column = divmod(index, columns)
        sheet.paste(Image.fromarray(image), (margin + GAP + column * (cell + GAP), GAP + row * (cell + GAP)))
    for row, name in enumerate(row_names or ()):
        draw.text((margin - 6, GAP + row * (cell + GAP) + cell / 2), name, fill="black", font=font, anchor="rm")
    return sheet


def picture(image: Tensor) -> Image.Image:
    """One image (C, H, W) in [-1, 1]."""
    pixels = to_pixels(image[None]).cpu()[0]
    return Image.fromarray(pixels.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())


def save(sheet: Image.Image, path: Path) -> Path:
    """Write a picture. The folder is created if necessary.

    Raises:
        RunError: it cannot be written, or no picture format has this ending.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path)
    except OSError as error:
        raise RunError(f"{path}: saving failed: {error.strerror or error}") from error
    except ValueError as error:  # Pillow knows no format with this ending
        raise RunError(f"{path}: is no name of a picture; end it in .png") from error
    return path


def rows_by_class(images: Tensor, classes: Tensor, wanted: Sequence[int], columns: int) -> Tensor:
    """The first ``columns`` images of each wanted class in a row of its own, filled up with white where there are
    fewer: (len(wanted) * columns, C, H, W).
    """
    blank = torch.ones_like(images[:1])
    rows = []
    for label in wanted:
        members = images[classes == label][:columns]
        rows += [members, blank.expand(columns - len(members), -1, -1, -1)]
    return torch.cat(rows)
