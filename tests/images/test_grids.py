"""Grids of samples: every image at its place, rows named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cganzoo.errors import RunError
from cganzoo.images.grids import GAP, LARGEST, grid, save


def plain(count: int, size: int = 48, channels: int = 3) -> Tensor:
    """Image k is of the gray value 10 k."""
    return (torch.arange(count) * 10 / 127.5 - 1)[:, None, None, None].expand(count, channels, size, size)


def cell(sheet: Image.Image, row: int, column: int, size: int, margin: int = 0) -> np.ndarray:
    left, top = margin + GAP + column * (size + GAP), GAP + row * (size + GAP)
    return np.asarray(sheet.crop((left, top, left + size, top + size)))


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_laid_row_by_row(channels: int) -> None:
    sheet = grid(plain(7, channels=channels), columns=3)
    assert sheet.size == (3 * (48 + GAP) + GAP, 3 * (48 + GAP) + GAP)
    for index in range(7):
        assert (cell(sheet, *divmod(index, 3), 48) == 10 * index).all()
    assert (cell(sheet, 2, 1, 48) == 255).all(), "what is left of the last row is blank"


def test_small_images_are_enlarged_without_smoothing() -> None:
    image = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])[None, None]
    shown = cell(grid(image, columns=1), 0, 0, 48)[:, :, 0]
    expected = np.kron(np.array([[0, 255], [255, 0]]), np.ones((24, 24)))
    np.testing.assert_array_equal(shown, expected)


def test_large_images_keep_their_size() -> None:
    assert grid(plain(1, size=64), columns=1).size == (64 + 2 * GAP, 64 + 2 * GAP)


def test_row_names_stand_in_a_margin_of_their_own() -> None:
    names = ["a", "a longer name: Äpfel"]
    sheet = grid(plain(4), columns=2, row_names=names)
    margin = sheet.width - (2 * (48 + GAP) + GAP)
    assert margin > 12
    assert (cell(sheet, 1, 1, 48, margin) == 30).all()
    for row in (0, 1):
        written = np.asarray(sheet.crop((0, GAP + row * (48 + GAP), margin, (row + 1) * (48 + GAP))))
        assert (written < 128).any(), "something is written"
        assert (written[:, :4] == 255).all(), "nothing is cut off"


def test_no_image_makes_an_empty_sheet() -> None:
    assert grid(plain(0), columns=2).height == GAP


@pytest.mark.parametrize("ending", ["webp", "JPG"])
def test_a_picture_that_is_too_large_for_its_format_is_one_message(tmp_path: Path, ending: str) -> None:
    sheet = Image.new("L", (LARGEST[f".{ending.lower()}"] + 1, 1))
    with pytest.raises(RunError, match=rf"x\.{ending}: would have {sheet.width:,} x 1 pixels, but .*end its name in"):
        save(sheet, tmp_path / f"x.{ending}")
    assert not list(tmp_path.iterdir())
    save(sheet.crop((0, 0, sheet.width - 1, 1)), tmp_path / f"x.{ending}")
    save(sheet, tmp_path / "x.png")


def test_saving_makes_the_folder_and_names_what_fails(tmp_path: Path) -> None:
    sheet = grid(plain(1), columns=1)
    path = save(sheet, tmp_path / "new" / "grid.png")
    assert Image.open(path).size == sheet.size
    (tmp_path / "file").touch()
    with pytest.raises(RunError) as caught:
        save(sheet, tmp_path / "file" / "grid.png")
    assert str(caught.value).startswith(f"{tmp_path / 'file' / 'grid.png'}: saving failed: ")
