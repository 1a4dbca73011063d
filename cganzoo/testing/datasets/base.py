"""What the checks of a data set share: finding its images, building it, and comparing pixels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest

import numpy as np
from PIL import Image

from cganzoo.config import Config
from cganzoo.data.source import ImageSource
from cganzoo.session.dataset import downloads
from cganzoo.testing.conformance import Conformance

SIZE = 32
"""Side of packed images, in pixels, of a set without a size of its own."""


class DatasetChecks(Conformance):
    """Base of the classes that check a data set.

    Class attributes, in addition to those of :class:`Conformance`:
        options: for example ``{"root": ...}``, if the images are not where ``cganzoo data get`` stores them.
        looked_at: number of images of each split that are read, at equal distances.
        compared: maximum number of images, of both splits, for which all are read to find those in both.
    """

    looked_at: ClassVar[int] = 24
    compared: ClassVar[int] = 5000

    def config(self, **options: Any) -> Any:
        """See :class:`Conformance`."""
        root = self.spec.config.model_fields.get("root")
        if root is not None and root.is_required() and "root" not in {**self.options, **options}:
            raise SkipTest(f'not on this machine: set options = {{"root": ...}}: {root.description}')
        return super().config(**options)

    def located(self, **options: Any) -> Config:
        """The options with the path of the images, as the host sets it."""
        config: Config = self.config(**options)
        root = getattr(config, "root", None)
        if root is None and self.spec.archive is not None:
            root = downloads() / self.spec.archive.filename
            config = config.model_copy(update={"root": str(root)})
        if root is not None and not Path(root).expanduser().exists():
            get = "" if self.spec.archive is None else f"run `cganzoo data get {self.spec.name}`, or "
            raise SkipTest(f'not on this machine: there is no {root}; {get}set options = {{"root": ...}}')
        return config

    def build(self, **options: Any) -> ImageSource:
        """A new instance of the set."""
        source = self.spec.build(self.located(**options))
        assert isinstance(source, ImageSource), (
            f"build returns a {type(source).__name__}; return a subclass of cganzoo.data.source.ImageSource"
        )
        return source

    @cached_property
    def source(self) -> ImageSource:
        """The set."""
        return self.build()

    @property
    def size(self) -> int:
        """Side of packed images, in pixels."""
        return self.spec.image_size or SIZE

    def indices(self, source: ImageSource | None = None) -> dict[str, list[int]]:
        """The images that are read, by split."""
        labels = (source or self.source).labels()
        return {split: spread(len(values), self.looked_at) for split, values in labels.items()}

    def places(self, source: ImageSource | None = None) -> list[tuple[str, int]]:
        """Split and index of those images."""
        return [(split, index) for split, indices in self.indices(source).items() for index in indices]

    def images(self) -> Iterator[tuple[str, Image.Image]]:
        """A name for messages, and the image, of each of those that the options do not leave out."""
        for split, index in self.places():
            image = self.source.read(split, index)
            what = f"image {index} of the {split} split"
            assert image is None or isinstance(image, Image.Image), (
                f"read returns a {type(image).__name__} for {what}; return a PIL image, or None to leave it out"
            )
            if image is not None:
                yield what, image

    def pixels(self, split: str, index: int, source: ImageSource | None = None) -> np.ndarray | None:
        """Pixels of an image as they are packed."""
        return (source or self.source).pixels(split, index, self.size, self.spec.channels)

    def content(self, source: ImageSource) -> tuple[dict[str, list[int]], list[np.ndarray | None]]:
        """The labels of a set, and the pixels of the images that are read."""
        labels = {split: values.tolist() for split, values in source.labels().items()}
        return labels, [self.pixels(*place, source) for place in self.places(source)]


def spread(count: int, wanted: int) -> list[int]:
    """Up to ``wanted`` of ``range(count)``, at equal distances from the first to the last."""
    return np.unique(np.linspace(0, count - 1, wanted).astype(int)).tolist() if count else []


def same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Whether pixels are equal, or both are missing."""
    return one is other if one is None or other is None else np.array_equal(one, other)


def same_content(one: Any, other: Any) -> bool:
    """Whether two results of :meth:`DatasetChecks.content` are equal."""
    return bool(one[0] == other[0]) and all(map(same, one[1], other[1]))
