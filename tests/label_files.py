"""Sets with label files, for the tests of :mod:`cganzoo.data.layout`."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

from cganzoo.data.sets.folder import FolderSource

PNG = b"\x89PNG"  # labels are read without opening images
Files = dict[str, str | bytes]
Open = Callable[..., FolderSource]


def write_folder(root: Path, files: Files) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def write_zip(root: Path, files: Files) -> Path:
    with zipfile.ZipFile(root.with_suffix(".zip"), "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return root.with_suffix(".zip")


def images(*names: str) -> Files:
    return dict.fromkeys(names, PNG)


def labels_of(source: FolderSource) -> dict[str, str]:
    """Image to the name of its class, of all splits."""
    return {
        name: source.class_names[label]
        for split, labels in source.labels().items()
        for name, label in zip(source._files[split], labels.tolist(), strict=True)
    }


FOUR = images("1.png", "2.png", "3.png", "4.png")
LABELS = {"1.png": "cat", "2.png": "cat", "3.png": "dog", "4.png": "dog"}
ROWS = "1.png,cat\n2.png,cat\n3.png,dog\n4.png,dog\n"

BOTH = images("cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png")
