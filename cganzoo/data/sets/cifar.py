"""CIFAR-10 and CIFAR-100 from their official python archives (Krizhevsky, 2009).

torchvision's readers unpickle everything that a file names, and accept the official files only. This one unpickles
arrays, numbers and names only, so it can also read a subset from elsewhere.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from cganzoo.config import ArchiveConfig
from cganzoo.data.archive import unpacked
from cganzoo.data.source import ArraySource
from cganzoo.data.tree import FolderTree, Tree
from cganzoo.errors import DataError

from .specs import CIFAR100Config

SIDE, CHANNELS = 32, 3

FILES = {
    "cifar10": (
        "cifar-10-batches-py",
        "batches.meta",
        {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]},
    ),
    "cifar100": ("cifar-100-python", "meta", {"train": ["train"], "test": ["test"]}),
}
"""Name of a set to the folder in its archive, the file with its class names, and the batches of each split."""


def cifar10(config: ArchiveConfig) -> ArraySource:
    """50,000 and 10,000 images in ten classes."""
    return _source("cifar10", config.root, "label_names", "labels")


def cifar100(config: CIFAR100Config) -> ArraySource:
    """50,000 and 10,000 images in 100 classes, or in their 20 superclasses."""
    return _source("cifar100", config.root, f"{config.labels}_label_names", f"{config.labels}_labels")


def _source(name: str, root: str | None, names_key: str, labels_key: str) -> ArraySource:
    assert root is not None  # the host sets it before it builds the set
    path = Path(root).expanduser()
    tree = FolderTree(unpacked(path), path)
    top, (_, meta, batches) = _top(tree, name, root), FILES[name]
    class_names = _class_names(tree, top + meta, names_key)
    splits = {}
    for split, files in batches.items():
        parts = [_batch(tree, top + file, labels_key, len(class_names)) for file in files]
        pixels = np.concatenate([pixels for pixels, _ in parts])
        images = pixels.reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)
        splits[split] = (images, np.concatenate([labels for _, labels in parts]))
    return ArraySource(splits, class_names)


def _top(tree: FolderTree, name: str, root: str) -> str:
    """The folder of batches in the tree, ``""`` for the tree's top."""
    found = {
        known: top
        for known, (folder, meta, _) in FILES.items()
        for top in (f"{folder}/", "")
        if (tree.folder / top / meta).is_file()
    }
    if name in found:
        return found[name]
    if found:
        (other,) = found
        raise DataError(f'{root}: holds {other}; set data.name = "{other}", or name an archive of {name}')
    folder, meta, _ = FILES[name]
    raise DataError(
        f'{root}: holds no folder "{folder}" with a file "{meta}"; name the official archive or the '
        'folder that it was unpacked to, or, for images in class folders, set data.name = "folder"'
    )


def _class_names(tree: Tree, name: str, key: str) -> tuple[str, ...]:
    (names,) = _entries(tree, name, key)
    if not isinstance(names, list) or not names or not all(isinstance(name, (bytes, str)) for name in names):
        raise _damaged(tree, name, f'"{key}" is not a list of class names')
    return tuple(name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names)


def _batch(tree: Tree, name: str, labels_key: str, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 3072) uint8 and labels (N,) int64 of one file."""
    pixels, labels = _entries(tree, name, "data", labels_key)
    length = CHANNELS * SIDE * SIDE
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (length,):
        raise _damaged(tree, name, f'"data" is not an array of N x {length} bytes')
    if not isinstance(labels, list) or len(labels) != len(pixels):
        raise _damaged(tree, name, f'"{labels_key}" is not a list of {len(pixels)} labels, one for each image')
    for label in labels:
        if type(label) is not int or not 0 <= label < classes:
            raise _damaged(tree, name, f"label {label!r} is not one of 0 to {classes - 1}")
    return pixels, np.array(labels, np.int64)


_RECONSTRUCT = np.empty(0).__reduce__()[0]  # makes an array from its pickled parts; its module was renamed

ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): str.encode,  # for bytes that Python 3 wrote for Python 2; only text codecs
}
"""Everything that a batch may name: unpickling can call whatever a pickle names, so nothing else is allowed."""


class _ArraysOnly(pickle.Unpickler):
    """Unpickles arrays and Python's containers, numbers and strings, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """See :meth:`pickle.Unpickler.find_class`."""
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None


def _entries(tree: Tree, name: str, *keys: str) -> list[Any]:
    """Entries of the dictionary in a file; Python 2 wrote its keys as bytes."""
    file = tree.where(name)
    try:
        values = _ArraysOnly(io.BytesIO(tree.read(name)), encoding="bytes").load()
    except FileNotFoundError:
        raise DataError(f"{file}: is missing; get the archive again, and unpack all of it") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # unpickling raises many kinds of errors for a damaged file
        raise _damaged(tree, name, f"is not a batch of CIFAR, or is damaged ({error})") from error
    entries = []
    for key in keys:
        entry = values.get(key, values.get(key.encode())) if isinstance(values, dict) else None
        if entry is None:
            raise _damaged(tree, name, f'holds no "{key}"')
        entries.append(entry)
    return entries


def _damaged(tree: Tree, name: str, problem: str) -> DataError:
    return DataError(f"{tree.where(name)}: {problem}; get the archive again")
