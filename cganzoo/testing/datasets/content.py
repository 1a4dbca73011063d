"""Labels, class names and images of a data set, and what all of its checks share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest

import numpy as np
from PIL import Image

from cganzoo.config import Config
from cganzoo.data.pixels import square
from cganzoo.data.source import ImageSource
from cganzoo.errors import DataError
from cganzoo.session.dataset import downloads
from cganzoo.testing.conformance import Conformance, built, explained

SIZE = 32
"""Side of packed images, in pixels, of a set without a size of its own."""
TOLERANCE = 2.0
"""Mean difference of pixels, of 255, that two JPEG decoders may have."""

GRAY = ("1", "L", "LA", "I", "I;16")  # Pillow's modes without colour
THREADS = 4


class DatasetContent(Conformance):
    """Labels and images of a data set, and what all of its checks share.

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
        if root is not None and root.is_required() and "root" not in {**self.spec.small, **self.options, **options}:
            raise SkipTest(f'the images are not on this machine: set options = {{"root": ...}}: {root.description}')
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
            problem = f"the images are not on this machine: {root} does not exist"
            raise SkipTest(f'{problem}; {get}set options = {{"root": ...}}')
        return config

    def build(self, **options: Any) -> ImageSource:
        """A new instance of the set."""
        return built(self.spec.build(self.located(**options)), ImageSource)  # type: ignore[type-abstract]

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
            if image is not None:
                found = type(image).__name__
                assert isinstance(image, Image.Image), f"{what} is a {found}; read must return a PIL image or None"
                yield what, image

    def pixels(self, split: str, index: int, source: ImageSource | None = None) -> np.ndarray | None:
        """Pixels of an image as they are packed."""
        return (source or self.source).pixels(split, index, self.size, self.spec.channels)

    def content(self, source: ImageSource) -> tuple[dict[str, list[int]], list[np.ndarray | None]]:
        """The labels of a set, and the pixels of the images that are read."""
        labels = {split: values.tolist() for split, values in source.labels().items()}
        return labels, [self.pixels(*place, source) for place in self.places(source)]

    # --- the checks ---------------------------------------------------------------------------------------------------

    def test_splits(self) -> None:
        """There is a train split, optionally a test split, and no other; both have images."""
        labels = self.source.labels()
        assert "train" in labels, f'labels() has the splits {sorted(labels)}; one of them must be "train"'
        others = sorted(set(labels) - {"train", "test"})
        assert not others, f'labels() has the split "{others[0]}"; return only "train" and "test"'
        for split, values in labels.items():
            assert len(values) > 1, f"the {split} split has {len(values)} images; leave an empty one out"

    def test_labels_are_integers(self) -> None:
        """Labels are (N,) int64, and each label is an index of a class name."""
        classes = len(self.source.class_names)
        for split, labels in self.source.labels().items():
            assert isinstance(labels, np.ndarray), f"labels of {split} are a {type(labels).__name__}, not an array"
            assert labels.dtype == np.int64, f"labels of {split} are {labels.dtype}, not int64; use astype(np.int64)"
            assert labels.ndim == 1, f"labels of {split} have the shape {labels.shape}, not (N,)"
            invalid = sorted(set(labels.tolist()) - set(range(classes)))
            assert not invalid, f"labels of {split} must be indices of class_names, 0 to {classes - 1}: {invalid[:1]}"

    def test_every_class_can_be_trained_on(self) -> None:
        """Every class has a training image."""
        present = set(self.source.labels()["train"].tolist())
        missing = [name for label, name in enumerate(self.source.class_names) if label not in present]
        assert not missing, f"{len(missing)} classes have no training image, first {missing[:1]}; remove the names"

    def test_class_names(self) -> None:
        """Each class has a unique name."""
        names = self.source.class_names
        assert isinstance(names, tuple), f"class_names is a {type(names).__name__}; make it a tuple of str"
        assert names, "class_names is empty; it must name every class"
        assert all(isinstance(name, str) and name.strip() for name in names), "class_names must be str, not empty"
        twice = [name for name, count in Counter(names).items() if count > 1]
        assert not twice, f'two classes are called "{twice[0]}"; users select classes by name, so make names unique'

    def test_images_are_read(self) -> None:
        """Images are PIL images that can be converted to pixels."""
        count = 0
        for what, image in self.images():
            count += 1
            with explained(f"conversion of {what}, of mode {image.mode}, to pixels"):
                square(image, self.size, self.spec.channels)
        assert count, f"all of the {len(self.places())} images that were read are left out by the options"

    def test_channels_are_those_declared(self) -> None:
        """With one declared channel all images are gray; with three, at least one is not."""
        images = [image for _, image in self.images()]
        if self.spec.channels == 1:
            assert not any(map(_is_colored, images)), "images have colour, but the spec declares one; set channels=3"
        else:
            colored = any(image.mode not in GRAY for image in images)
            assert colored, "all images are stored without colour, but the spec declares three channels; set channels=1"

    def test_image_size_is_true(self) -> None:
        """If the spec has an image size, every image has it."""
        size = self.spec.image_size
        if size is None:
            raise SkipTest("the spec gives no image_size")
        for what, image in self.images():
            assert image.size == (size, size), f"{what} is {image.size}, but image_size = {size}; remove that"

    def test_pixels(self) -> None:
        """Pixels are (channels, size, size) uint8 at any size, and show the image of ``read``."""
        images = [(place, self.source.read(*place)) for place in self.places()]
        for channels, size in ((self.spec.channels, self.size), (4 - self.spec.channels, self.size // 2)):
            for (split, index), image in images:
                if image is None:
                    continue
                pixels = self.source.pixels(split, index, size, channels)
                what = f"pixels of image {index} of the {split} split"
                assert isinstance(pixels, np.ndarray), f"{what} are a {type(pixels).__name__}; return an array"
                assert pixels.shape == (channels, size, size), f"{what} have the shape {pixels.shape}, not (C, H, W)"
                assert pixels.dtype == np.uint8, f"{what} are {pixels.dtype}, not uint8"
                difference = np.abs(pixels.astype(float) - square(image, size, channels)).mean()
                problem = f"{what} differ from the image of read by {difference:.1f} of 255 on average"
                assert difference < TOLERANCE, f"{problem}; crop, scale and rotate as cganzoo.data.pixels.square does"

    def test_pixels_in_one_go(self) -> None:
        """``pixels_of`` several images gives the same as ``pixels`` of each."""
        for split, indices in self.indices().items():
            found = self.source.pixels_of(split, indices, self.size, self.spec.channels)
            assert len(found) == len(indices), f"pixels_of returns {len(found)} of {len(indices)} images"
            for index, pixels in zip(indices, found, strict=True):
                if isinstance(pixels, DataError):
                    raise pixels
                equal = same(pixels, self.pixels(split, index))
                assert equal, f"pixels_of and pixels return other pixels for image {index} of the {split} split"

    def test_an_image_stays_the_same(self) -> None:
        """An image that is read twice is the same."""
        for split, index in self.places():
            problem = f"image {index} of the {split} split has other pixels when it is read again"
            assert same(self.pixels(split, index), self.pixels(split, index)), f"{problem}; do not augment here"

    def test_threads(self) -> None:
        """Threads that read images at the same time, as in packing, get the same pixels."""
        places = self.places()
        alone = [self.pixels(*place) for place in places]
        with ThreadPoolExecutor(THREADS) as pool:
            together = list(pool.map(lambda place: self.pixels(*place), places * 2))
        for (split, index), one, other in zip(places * 2, alone * 2, together, strict=True):
            problem = f"image {index} of the {split} split has other pixels when {THREADS} threads read"
            assert same(one, other), f"{problem}; share no state between reads, or use a lock"

    def test_no_image_is_in_both_splits(self) -> None:
        """No image is in both splits, bit for bit; otherwise a score would reward memorised images."""
        labels = self.source.labels()
        if "test" not in labels:
            raise SkipTest("there is no test split")
        count = sum(map(len, labels.values()))
        if count > self.compared:
            raise SkipTest(f"{count:,} images are too many to compare; raise the class attribute compared")

        def by_content(split: str) -> dict[tuple[object, ...], int]:
            images = ((self.source.read(split, index), index) for index in range(len(labels[split])))
            return {(image.mode, image.size, image.tobytes()): index for image, index in images if image is not None}

        train, test = by_content("train"), by_content("test")
        both = [(index, train[key]) for key, index in test.items() if key in train]
        problem = f"{len(both)} test images are also training images; the first (test, train) is {both[:1]}"
        assert not both, f"{problem}; if the published set has them, say so in expected_failures"


def _is_colored(image: Image.Image) -> bool:
    planes = np.asarray(image.convert("RGB")).astype(int)
    return bool((np.ptp(planes, axis=2) > 16).any())  # a gray JPEG may have a slight tint


def spread(count: int, wanted: int) -> list[int]:
    """Up to ``wanted`` numbers of ``range(count)``, at equal distances, with the first and the last number."""
    return np.unique(np.linspace(0, count - 1, wanted).astype(int)).tolist() if count else []


def same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Whether pixels are equal, or both are missing."""
    return one is other if one is None or other is None else np.array_equal(one, other)


def same_content(one: Any, other: Any) -> bool:
    """Whether two results of :meth:`DatasetChecks.content` are equal."""
    return bool(one[0] == other[0]) and all(map(same, one[1], other[1]))
