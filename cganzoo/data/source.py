"""What a data set plugin returns: labelled images by split, which are packed once into the cache."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from cganzoo.errors import DataError

from .pixels import square


class ImageSource(ABC):
    """Labelled images of each split (``"train"`` and, if it exists, ``"test"``), before resizing.

    Attributes:
        class_names: the K classes; a label is an index into them.
    """

    class_names: tuple[str, ...]

    @abstractmethod
    def labels(self) -> Mapping[str, np.ndarray]:
        """Labels (N,) int64 of each split."""

    @abstractmethod
    def read(self, split: str, index: int) -> Image.Image | None:
        """One image, of any size and mode, or ``None`` if the set's options leave it out.

        Raises:
            DataError: the file cannot be read; the message names it.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Text that changes when an image or a label changes. Use fast inputs, such as sizes and times of files."""

    def pixels(self, split: str, index: int, size: int, channels: int) -> np.ndarray | None:
        """The packed image: (channels, size, size) uint8. Several threads may call this method at once.

        Raises:
            DataError: the file cannot be read, or its content is not a picture.
        """
        image = self.read(split, index)
        return None if image is None else self._square(image, split, index, size, channels)

    def _square(self, image: Image.Image, split: str, index: int, size: int, channels: int) -> np.ndarray:
        """The packed form of a decoded image; the arguments after it name the image in the error."""
        try:
            return square(image, size, channels)
        except Exception as error:  # Pillow raises many kinds: for a mode, or for damage that it finds only now
            raise self.unreadable(split, index, f"cannot be made into pixels ({error})") from error

    def pixels_of(
        self, split: str, indices: Sequence[int], size: int, channels: int
    ) -> list[np.ndarray | DataError | None]:
        """For each image, :meth:`pixels` or its error. Override it if reading many images at once is faster."""
        found: list[np.ndarray | DataError | None] = []
        for index in indices:
            try:
                found.append(self.pixels(split, index, size, channels))
            except DataError as error:
                found.append(error)
        return found

    def unreadable(self, split: str, index: int, reason: str) -> DataError:
        """The error for an image that cannot be used; override it to name the file and what the user can do."""
        return DataError(f"image {index} of the {split} split: {reason}")

    def layout(self) -> str:
        """How the files were found, in one line for people; empty if there is nothing to say."""
        return ""

    def notes(self) -> tuple[str, ...]:
        """What a user must know before training on the set, one message each; kept with the packed images."""
        return ()

    def skip_unreadable(self) -> bool:
        """Whether the host leaves out and counts an image that cannot be read. Otherwise such an image ends the run."""
        return False


class ArraySource(ImageSource):
    """Images in memory.

    Args:
        splits: each split's images, (N, H, W) or (N, H, W, 3) uint8, and labels (N,).
        class_names: the K classes.
    """

    def __init__(self, splits: Mapping[str, tuple[np.ndarray, np.ndarray]], class_names: tuple[str, ...]) -> None:
        self.class_names = class_names
        self._splits = splits

    def labels(self) -> Mapping[str, np.ndarray]:
        """See :class:`ImageSource`."""
        return {name: labels.astype(np.int64) for name, (_, labels) in self._splits.items()}

    def read(self, split: str, index: int) -> Image.Image:
        """See :class:`ImageSource`."""
        return Image.fromarray(self._splits[split][0][index])

    def fingerprint(self) -> str:
        """Hash of every pixel, label and class name."""
        digest = hashlib.sha256(repr(self.class_names).encode())
        for name, (images, labels) in sorted(self._splits.items()):
            for part in (name.encode(), str(images.shape).encode(), images.tobytes(), labels.tobytes()):
                digest.update(part)
        return digest.hexdigest()
