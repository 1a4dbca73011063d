"""Folders and zip archives for tests, and how they are read."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from cganzoo.data.pixels import square
from cganzoo.data.sets.folder import FolderSource
from cganzoo.data.sets.specs import FolderConfig
from cganzoo.data.tree import Tree, open_tree
from cganzoo.errors import DataError

RED, BLUE = (255, 0, 0), (0, 0, 255)

FILES = {
    "a/1.png": b"one" * 1000,
    "a/nested/er/2.png": bytes(range(256)) * 5,
    "Äpfel/日本 3.png": b"three",
    "empty.txt": b"",
}


def source(root: Path, unreadable: Literal["stop", "skip"] = "stop", test_fraction: float = 0.1) -> FolderSource:
    return FolderSource(FolderConfig(root=str(root), unreadable=unreadable, test_fraction=test_fraction))


def fill(root: Path, *names: str, color: tuple[int, int, int] = RED) -> Path:
    """Plain images of 6x6 pixels."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 6), color).save(root / name)
    return root


def packed_as(found: FolderSource, name: str, size: int, channels: int) -> np.ndarray:
    """The file as it is packed, and the same through Pillow alone."""
    ((split, index),) = [
        (split, index)
        for split, names in found._files.items()
        for index, file in enumerate(names)
        if Path(file).name == name
    ]
    (pixels,) = found.pixels_of(split, [index], size, channels)
    image = found.read(split, index)
    assert isinstance(pixels, np.ndarray)
    assert image is not None
    np.testing.assert_array_equal(pixels, square(image, size, channels))
    return pixels


def write_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def contents(tree: Tree) -> dict[str, bytes]:
    return {name: tree.read(name) for name in tree.names if not name.endswith("/")}


def tree_refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        open_tree(path).names  # noqa: B018
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")
