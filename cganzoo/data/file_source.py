"""Data sets of image files: JPEG, PNG and the other formats that Pillow reads."""

from __future__ import annotations

import hashlib
import io
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from threading import Lock
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from cganzoo.errors import DataError

from .jpeg import decode_jpegs
from .pixels import square_of_pixels
from .source import ImageSource
from .tree import Tree

Splits = Mapping[str, Mapping[str, Sequence[str]]]
"""Split to class to the names of its files. A class's position in ``"train"`` is its label."""

READ_BYTES = 1 << 20
"""Bytes of encoded images that a thread reads and decodes at a time: hundreds of small ones, a few photographs."""

NOT_IMAGES = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "PALM", "PDF", "WMF"})
"""Formats that Pillow lists but cannot decode, or whose files are programs, such as PostScript."""

ADVICE: dict[str | None, str] = {
    "stop": '; repair or remove it, or set data.unreadable = "skip" to leave such files out',
    "skip": "",
    None: "; get the set again",
}


class FileSource(ImageSource):
    """Images that are files of a :class:`~cganzoo.data.tree.Tree`; :meth:`find` of a subclass chooses them.

    Files are listed when first needed. A set that is packed already needs only its fingerprint.

    Args:
        tree: contains the files.
        settings: what else decides which files are used and how they are labelled; part of the fingerprint.
        unreadable: ``"stop"`` or ``"skip"`` when an image cannot be read; ``None``, for a set without this option,
            stops.
        drop_gray: leave out images that are stored without colour.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        settings: tuple[object, ...] = (),
        unreadable: Literal["stop", "skip"] | None = None,
        drop_gray: bool = False,
    ) -> None:
        self.tree = tree
        self._reading = Lock()
        self._settings = settings
        self._unreadable = unreadable
        self._drop_gray = drop_gray

    @abstractmethod
    def find(self) -> Splits:
        """The files that are the set's images. Called once, when the set is packed.

        Raises:
            DataError: the tree does not contain such a set; the message says what is missing where.
        """

    @cached_property
    def _found(self) -> Splits:
        return self.find()

    @cached_property
    def _files(self) -> dict[str, list[str]]:
        return {
            split: [name for class_name in self.class_names for name in classes.get(class_name, ())]
            for split, classes in self._found.items()
        }

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """See :class:`ImageSource`."""
        return tuple(self._found["train"])

    def labels(self) -> Mapping[str, np.ndarray]:
        """See :class:`ImageSource`."""
        numbers = np.arange(len(self.class_names), dtype=np.int64)
        return {
            split: np.repeat(numbers, [len(classes.get(name, ())) for name in self.class_names])
            for split, classes in self._found.items()
        }

    def read(self, split: str, index: int) -> Image.Image | None:
        """See :class:`ImageSource`."""
        data = self._data(split, index)
        try:
            image: Image.Image = Image.open(io.BytesIO(data), formats=image_formats())
            image.load()
        except UnidentifiedImageError as error:
            raise self.unreadable(split, index, "is not an image") from error
        except Exception as error:  # decoders raise many kinds for a damaged file, from EOFError to zlib.error
            raise self.unreadable(split, index, f"cannot be decoded ({error})") from error
        return None if self._drop_gray and image.mode in ("1", "L", "LA", "I;16", "I") else image

    def pixels(self, split: str, index: int, size: int, channels: int) -> np.ndarray | None:
        """See :class:`ImageSource`. The same pixels as from :meth:`read`, decoded by :mod:`cganzoo.data.jpeg`."""
        (found,) = self.pixels_of(split, [index], size, channels)
        if isinstance(found, DataError):
            raise found
        return found

    def pixels_of(
        self, split: str, indices: Sequence[int], size: int, channels: int
    ) -> list[np.ndarray | DataError | None]:
        """See :class:`ImageSource`. Reads some images, decodes them, then scales those of one shape together.

        Each step is done for many images at once, so that threads seldom wait for each other.
        """
        found: list[np.ndarray | DataError | None] = [None] * len(indices)
        place = 0
        while place < len(indices):
            files: dict[int, bytes] = {}
            read = 0
            with self._reading:
                while place < len(indices) and read < READ_BYTES:
                    try:
                        files[place] = self._data(split, indices[place])
                        read += len(files[place])
                    except DataError as error:
                        found[place] = error
                    place += 1
            shapes: dict[tuple[int, ...], dict[int, np.ndarray]] = {}
            for at, pixels in zip(files, decode_jpegs(list(files.values())), strict=True):
                if pixels is not None and not (self._drop_gray and len(pixels) == 1):
                    shapes.setdefault(pixels.shape, {})[at] = pixels
                elif pixels is None:
                    try:
                        found[at] = super().pixels(split, indices[at], size, channels)
                    except DataError as error:
                        found[at] = error
            for images in shapes.values():
                squares = square_of_pixels(np.stack(list(images.values())), size, channels)
                for at, pixels in zip(images, squares, strict=True):
                    found[at] = pixels
        return found

    def unreadable(self, split: str, index: int, reason: str) -> DataError:
        """See :class:`ImageSource`."""
        return DataError(f"{self.tree.where(self._files[split][index])}: {reason}{ADVICE[self._unreadable]}")

    def fingerprint(self) -> str:
        """Hash of the tree's fingerprint and of the settings."""
        content = (type(self).__name__, self.tree.fingerprint(), self._settings, self._drop_gray)
        return hashlib.sha256(repr(content).encode()).hexdigest()

    def skip_unreadable(self) -> bool:
        """See :class:`ImageSource`."""
        return self._unreadable == "skip"

    def _data(self, split: str, index: int) -> bytes:
        try:
            return self.tree.read(self._files[split][index])
        except OSError as error:
            raise self.unreadable(split, index, f"cannot be read ({error.strerror or error})") from error
        except ValueError as error:
            raise self.unreadable(split, index, str(error)) from error


@cache
def image_formats() -> list[str]:
    """Pillow's names of the formats that a data set's files may have."""
    Image.init()
    return [name for name in Image.OPEN if name not in NOT_IMAGES]


@cache
def image_endings() -> frozenset[str]:
    """The endings of such files' names, in lower case."""
    Image.init()
    return frozenset(end for end, name in Image.registered_extensions().items() if name not in NOT_IMAGES)


def is_image(name: str) -> bool:
    """Whether a file's name ends as an image's does."""
    return name[name.rfind(".") :].lower() in image_endings()
