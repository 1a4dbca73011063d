"""Sets whose images are encoded files: JPEG, PNG and whatever else Pillow reads."""

from __future__ import annotations

import hashlib
import io
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from threading import Lock
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from cganzoo.errors import DataError

from .jpeg import decode_jpeg
from .pixels import square_of_pixels
from .source import ImageSource
from .tree import Tree

Splits = Mapping[str, Mapping[str, Sequence[str]]]
"""Split to class to the names of its files. A class's place among those of ``"train"`` is its label."""

SMALL = 1 << 16
"""Bytes of an image that is small enough to be scaled with others."""

READ_BYTES = 1 << 23
"""Bytes of encoded images that a thread reads before it decodes them."""

NOT_IMAGES = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "PALM", "PDF", "WMF"})
"""Formats that Pillow lists but cannot decode, or that are programs: PostScript is run by an interpreter."""

ADVICE: dict[str | None, str] = {
    "stop": '; mend or remove it, or set data.unreadable = "skip" to leave such files out',
    "skip": "",
    None: "; get the set again",
}


class FileSource(ImageSource):
    """Images that are files of a :class:`~cganzoo.data.tree.Tree`; a subclass says which (:meth:`find`).

    Nothing is listed before it is needed: of a set that is packed already, only the fingerprint is asked.

    Args:
        tree: where the files are.
        settings: whatever else decides which files are used and how they are labelled; part of the fingerprint.
        unreadable: ``"stop"`` or ``"skip"``: what an image that cannot be read does; ``None`` for a set without
            the option, where it stops.
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
        """Which files are the images. Called once, when the set is packed.

        Raises:
            DataError: the tree does not hold such a set; the sentence says what is missing where.
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
        except Exception as error:  # decoders raise whatever they meet in a damaged file, from EOFError to zlib.error
            raise self.unreadable(split, index, f"cannot be decoded ({error})") from error
        return None if self._drop_gray and image.mode in ("1", "L", "LA", "I;16", "I") else image

    def pixels(self, split: str, index: int, size: int, channels: int) -> np.ndarray | None:
        """See :class:`ImageSource`. The same pixels as through :meth:`read`; JPEG by a decoder that threads share."""
        (found,) = self.pixels_of(split, [index], size, channels)
        if isinstance(found, DataError):
            raise found
        return found

    def pixels_of(
        self, split: str, indices: Sequence[int], size: int, channels: int
    ) -> list[np.ndarray | DataError | None]:
        """See :class:`ImageSource`. Read one after the other, then decoded, then scaled with others of their size.

        So threads hand Python's lock to each other a few times a chunk, not a few times an image, which would take
        longer than the work between.
        """
        found: list[np.ndarray | DataError | None] = [None] * len(indices)
        alike: dict[tuple[int, ...], dict[int, np.ndarray]] = {}
        for place, data in self._read_ahead(split, indices):
            pixels = data if isinstance(data, DataError) else decode_jpeg(data)
            if isinstance(pixels, DataError):
                found[place] = pixels
            elif pixels is None:
                try:
                    found[place] = super().pixels(split, indices[place], size, channels)
                except DataError as error:
                    found[place] = error
            elif self._drop_gray and len(pixels) == 1:
                continue
            elif pixels.nbytes > SMALL:  # photographs are not to lie in memory by the hundred
                found[place] = square_of_pixels(pixels, size, channels)
            else:
                alike.setdefault(pixels.shape, {})[place] = pixels
        for images in alike.values():
            scaled = square_of_pixels(np.stack(list(images.values())), size, channels)
            for place, made in zip(images, scaled, strict=True):
                found[place] = made
        return found

    def unreadable(self, split: str, index: int, reason: str) -> DataError:
        """See :class:`ImageSource`."""
        return DataError(f"{self.tree.where(self._files[split][index])}: {reason}{ADVICE[self._unreadable]}")

    def fingerprint(self) -> str:
        """Hash of the tree's (see :meth:`Tree.fingerprint`) and the settings."""
        content = (type(self).__name__, self.tree.fingerprint(), self._settings, self._drop_gray)
        return hashlib.sha256(repr(content).encode()).hexdigest()

    def skip_unreadable(self) -> bool:
        """See :class:`ImageSource`."""
        return self._unreadable == "skip"

    def _read_ahead(self, split: str, indices: Sequence[int]) -> Iterator[tuple[int, bytes | DataError]]:
        """Each image's place in ``indices`` and its bytes, up to :data:`READ_BYTES` of them at a time."""
        read: list[tuple[int, bytes | DataError]] = []
        place = 0
        while place < len(indices):
            with self._reading:
                total = 0
                while place < len(indices) and total < READ_BYTES:
                    try:
                        data = self._data(split, indices[place])
                        total += len(data)
                        read.append((place, data))
                    except DataError as error:
                        read.append((place, error))
                    place += 1
            yield from read
            read.clear()

    def _data(self, split: str, index: int) -> bytes:
        try:
            return self.tree.read(self._files[split][index])
        except OSError as error:
            raise self.unreadable(split, index, f"cannot be read ({error.strerror or error})") from error
        except ValueError as error:
            raise self.unreadable(split, index, str(error)) from error


@cache
def image_formats() -> list[str]:
    """The formats, as Pillow names them, that a data set's files may have."""
    Image.init()
    return [name for name in Image.OPEN if name not in NOT_IMAGES]


@cache
def image_endings() -> frozenset[str]:
    """The endings, in lower case, of the names of such files."""
    Image.init()
    return frozenset(end for end, name in Image.registered_extensions().items() if name not in NOT_IMAGES)


def is_image(name: str) -> bool:
    """Whether a file is one by its name's ending."""
    return name[name.rfind(".") :].lower() in image_endings()
