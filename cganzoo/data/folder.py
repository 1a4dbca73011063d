"""A folder of images with one sub-folder a class."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import numpy as np
from PIL import Image, UnidentifiedImageError

from cganzoo.errors import DataError

from .config import FolderConfig
from .source import ImageSource

TEST_FOLDERS = ("test", "val", "valid", "validation")

NOT_IMAGES = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "PALM", "PDF", "WMF"})
"""Formats that Pillow lists but cannot decode, or that are programs: PostScript is run by an interpreter."""


class FolderSource(ImageSource):
    """Images below ``root/<class>/``, or below ``root/train/<class>/`` and ``root/test/<class>/``.

    A class folder may hold folders of its own. Files without an image format's ending, and hidden ones, are left
    alone. Without a test folder, a seeded share of each class is held out.

    Raises:
        DataError: no such folder, no class in it, a class without an image, or no image left to test on.
    """

    def __init__(self, config: FolderConfig) -> None:
        self.root = Path(config.root).expanduser()
        self._skip = config.unreadable == "skip"
        if not self.root.is_dir():
            advice = config.origin or "name one that holds a folder of images for each class"
            raise DataError(f'data.root = "{config.root}": no such folder; {advice}')
        Image.init()
        self._formats = [name for name in Image.OPEN if name not in NOT_IMAGES]
        self._endings = {end for end, name in Image.registered_extensions().items() if name not in NOT_IMAGES}
        train = self.root / "train"
        test = next((self.root / name for name in TEST_FOLDERS if (self.root / name).is_dir()), None)
        if train.is_dir():
            files = {"train": self._classes(train)} | ({"test": self._classes(test)} if test else {})
        else:
            files = {"train": self._classes(self.root)}
        self.class_names = tuple(files["train"])
        strangers = sorted(set(files.get("test", {})) - set(self.class_names))
        if strangers:
            raise DataError(f'{test}: class "{strangers[0]}" is not in {train}')
        self._files: dict[str, list[Path]] = {}
        self._labels: dict[str, np.ndarray] = {}
        if "test" not in files:
            files = _hold_out(files["train"], config.test_fraction)
            if not any(files["test"].values()):
                raise DataError(
                    f"{self.root}: each class holds one image, so none can be held out to test on; add some, "
                    'or put images into "train" and "test" folders'
                )
        for split, classes in files.items():
            self._files[split] = [path for paths in classes.values() for path in paths]
            counts = [len(classes.get(name, [])) for name in self.class_names]
            self._labels[split] = np.repeat(np.arange(len(counts), dtype=np.int64), counts)

    def _classes(self, folder: Path) -> dict[str, list[Path]]:
        """Class name to its image files, both sorted, so that labels do not depend on the file system."""
        classes = {}
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            _refuse(error)
        for entry in entries:
            if entry.name.startswith(".") or not entry.is_dir():
                continue
            paths: list[Path] = []
            for parent, folders, names in os.walk(entry, onerror=_refuse):
                folders.sort()
                paths += [
                    Path(parent, name)
                    for name in sorted(names)
                    if Path(name).suffix.lower() in self._endings and not name.startswith(".")
                ]
            if not paths:
                raise DataError(f"{entry}: this class's folder holds no image; add some, or remove the folder")
            classes[entry.name] = paths
        if not classes:
            raise DataError(f"{folder}: holds no class; put the images of each class into a folder of its own")
        return classes

    def labels(self) -> Mapping[str, np.ndarray]:
        """See :class:`ImageSource`."""
        return self._labels

    def read(self, split: str, index: int) -> Image.Image:
        """See :class:`ImageSource`."""
        try:
            image: Image.Image = Image.open(self._files[split][index], formats=self._formats)
            image.load()
        except UnidentifiedImageError as error:
            raise self.unreadable(split, index, "is not an image") from error
        except Exception as error:  # decoders raise whatever they meet in a damaged file, from EOFError to zlib.error
            raise self.unreadable(split, index, f"cannot be decoded ({error})") from error
        return image

    def unreadable(self, split: str, index: int, reason: str) -> DataError:
        """See :class:`ImageSource`."""
        advice = "" if self._skip else '; mend or remove it, or set data.unreadable = "skip" to leave such files out'
        return DataError(f"{self._files[split][index]}: {reason}{advice}")

    def fingerprint(self) -> str:
        """Hash of every path with its size and time of change: reading every pixel at each start would be slow."""
        digest = hashlib.sha256()
        for split, paths in sorted(self._files.items()):
            for path, label in zip(paths, self._labels[split], strict=True):
                entry = (split, path.relative_to(self.root).as_posix(), int(label), *_size_and_time(path))
                digest.update(repr(entry).encode())
        return digest.hexdigest()

    def skip_unreadable(self) -> bool:
        """See :class:`ImageSource`."""
        return self._skip


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:  # a link to nowhere: reading it will tell
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _refuse(error: OSError) -> NoReturn:
    raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from error


def _hold_out(classes: dict[str, list[Path]], fraction: float) -> dict[str, dict[str, list[Path]]]:
    """Split each class by a fixed shuffle; a class of one image keeps it for training."""
    random = np.random.default_rng(0)
    train, test = {}, {}
    for name, paths in classes.items():
        order = random.permutation(len(paths))
        held = min(len(paths) - 1, max(1, round(fraction * len(paths)))) if len(paths) > 1 else 0
        test[name] = [paths[i] for i in sorted(order[:held])]
        train[name] = [paths[i] for i in sorted(order[held:])]
    return {"train": train, "test": test}
