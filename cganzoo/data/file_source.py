"""Data sets of image files: JPEG, PNG and the other formats that Pillow reads."""

from __future__ import annotations

import hashlib
import io
import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cache, cached_property
from threading import Lock
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from cganzoo._util.text import escaped
from cganzoo.errors import DataError

from .pixels import orientation, square_of_pixels
from .source import ImageSource
from .tree import Tree

Splits = Mapping[str, Mapping[str, Sequence[str]]]
"""Split to class to the names of its files. A class's position in ``"train"`` is its label."""

MOST_PIXELS = 89_478_485
"""Pixels of the largest image that is decoded: 24 bits for each fill a quarter of a GiB, at which Pillow warns, too."""

LARGE = 1 << 24  # pixels; of such images, one is decoded at a time

MAX_JPEG_BYTES = 1 << 16  # larger files are left to Pillow, which is as fast for them
READ_BYTES = 1 << 20  # encoded images that a thread decodes at a time: hundreds of small ones, a few photographs

# Images with so many pixels are refused before they are decoded, with a message of our own.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

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
        unreadable: ``"stop"`` or ``"skip"`` when an image cannot be read; ``None`` (no such option) stops, too.
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
        self._reading, self._decoding_large = Lock(), Lock()
        self._settings = settings
        self._unreadable = unreadable
        self._drop_gray = drop_gray

    @abstractmethod
    def find(self) -> Splits:
        """The files that are the set's images. Called once, when the set is packed; raises ``DataError``."""

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
        return self._decoded(self._opened(split, index), split, index)

    def pixels(self, split: str, index: int, size: int, channels: int) -> np.ndarray | None:
        """See :class:`ImageSource`."""
        opened = self._opened(split, index)
        with self._decoding_large if opened.width * opened.height > LARGE else nullcontext():
            image = self._decoded(opened, split, index)
            return None if image is None else self._square(image, split, index, size, channels)

    def _opened(self, split: str, index: int) -> Image.Image:
        """An image of which only the header is decoded."""
        data, reason = self._data(split, index), ""
        try:
            image: Image.Image = Image.open(io.BytesIO(data), formats=_image_formats())
            if image.width * image.height > MOST_PIXELS:
                reason = f"has {image.width:,} x {image.height:,} pixels"
        except UnidentifiedImageError as error:
            raise self.unreadable(split, index, "is not an image") from error
        except Image.DecompressionBombError:
            reason = "has too many pixels"
        except Exception as error:  # decoders raise many kinds for a damaged file, from EOFError to zlib.error
            raise self.unreadable(split, index, f"cannot be decoded ({escaped(str(error))})") from error
        if reason:
            raise self.unreadable(split, index, f"{reason}; images of at most {MOST_PIXELS:,} are decoded")
        return image

    def _decoded(self, image: Image.Image, split: str, index: int) -> Image.Image | None:
        try:
            image.load()
        except Exception as error:  # see _opened
            raise self.unreadable(split, index, f"cannot be decoded ({escaped(str(error))})") from error
        return None if self._drop_gray and image.mode in ("1", "L", "LA", "I;16", "I") else image

    def pixels_of(
        self, split: str, indices: Sequence[int], size: int, channels: int
    ) -> list[np.ndarray | DataError | None]:
        """See :class:`ImageSource`. The same pixels as from :meth:`read`; small JPEGs take half of the time.

        Some images are read, then decoded, then those of one shape are scaled together: each step is done for many
        images at once, so that threads seldom wait for each other.
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
                    (found[at],) = super().pixels_of(split, [indices[at]], size, channels)
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
        except (OSError, ValueError) as error:
            reason = f"cannot be read ({error.strerror or error})" if isinstance(error, OSError) else str(error)
            raise self.unreadable(split, index, reason) from error


@cache
def _image_formats() -> list[str]:
    Image.init()
    return [name for name in Image.OPEN if name not in NOT_IMAGES]


@cache
def _image_endings() -> frozenset[str]:
    return frozenset(end for end, name in Image.registered_extensions().items() if name not in NOT_IMAGES)


def is_image(name: str) -> bool:
    """Whether a file's name ends as an image's does."""
    return name[name.rfind(".") :].lower() in _image_endings()


# --- small JPEG files: torchvision needs less than half of Pillow's time for them -----------------------------------


def decode_jpegs(files: Sequence[bytes]) -> list[np.ndarray | None]:
    """The pixels of small JPEGs, each (1, H, W) gray or (3, H, W) RGB, uint8: the same as Pillow's.

    ``None`` for what is left to Pillow: other formats and modes, large files, images that their tags turn, and damaged
    files, for which it says what is wrong. torchvision has announced that it will remove its decoder; then everything
    is left to Pillow.
    """
    decoded: list[np.ndarray | None] = [None] * len(files)
    small = [place for place, data in enumerate(files) if _is_suitable(data)]
    if not small:
        return decoded
    try:
        import torch  # only when something is packed
        from torchvision.io import decode_jpeg
    except ImportError:
        return decoded
    try:
        images = decode_jpeg([torch.frombuffer(bytearray(files[place]), dtype=torch.uint8) for place in small])
    except (RuntimeError, AttributeError):  # one of them is damaged, or torchvision was built without its decoder
        return [decode_jpegs([data])[0] for data in files] if len(files) > 1 else [None]
    for place, image in zip(small, images, strict=True):
        decoded[place] = image.numpy()
    return decoded


def _is_suitable(data: bytes) -> bool:
    if len(data) > MAX_JPEG_BYTES or not data.startswith(b"\xff\xd8"):
        return False
    try:
        header = Image.open(io.BytesIO(data), formats=["JPEG"])  # refuses images that would fill the memory
    except Exception:  # Pillow raises many kinds of errors for a damaged header
        return False
    small = header.width * header.height <= LARGE
    return small and header.mode in ("L", "RGB") and orientation(header) is None
