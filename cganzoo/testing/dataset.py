"""What the zoo asks of every data set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest, mock

import numpy as np
from PIL import Image

from cganzoo.config import Config
from cganzoo.data.cache import packed
from cganzoo.data.pixels import square
from cganzoo.data.source import ImageSource
from cganzoo.errors import CganzooError, DataError
from cganzoo.session.dataset import downloads

from .conformance import Conformance
from .randomness import seeded, untouched
from .variants import variants

SIZE = 32  # of packed images, where the set has no size of its own
SAME = 2.0  # mean difference of two decoders' pixels, of 255
GRAY = ("1", "L", "LA", "I", "I;16")  # Pillow's modes without colour
THREADS = 4
FEW = 3  # images of each class that are packed at least, as options may leave one out

Shown = tuple[dict[str, list[int]], list[np.ndarray | None]]
"""The labels of a set, and the pixels of the images that are looked at."""


class DatasetConformance(Conformance):
    """The checks of a data set. Where its images are not on this machine, nearly all are skipped, and say so.

    Class attributes, beside :class:`Conformance`'s:
        options: ``{"root": ...}``, say, where the images are not those that ``cganzoo data get`` keeps.
        looked_at: images of each split that are read, spread over all.
        compared: images, of both splits together, up to which all are read to find those that are in both.
    """

    kind = "dataset"
    number_of_checks = 26
    looked_at: ClassVar[int] = 24
    compared: ClassVar[int] = 5000

    def config(self, **options: Any) -> Any:
        """See :class:`Conformance`."""
        root = self.spec.config.model_fields.get("root")
        if root is not None and root.is_required() and "root" not in {**self.options, **options}:
            raise SkipTest(f'not on this machine: set options = {{"root": ...}}: {root.description}')
        return super().config(**options)

    def located(self, **options: Any) -> Config:
        """The options, with the place of the images, as the host would fill it in."""
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
        """The set, built anew."""
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

    def places(self) -> Iterator[tuple[str, int]]:
        """Split and index of the images that are looked at."""
        for split, labels in self.source.labels().items():
            for index in _spread(len(labels), self.looked_at):
                yield split, index

    def images(self) -> Iterator[tuple[str, int, Image.Image]]:
        """Those images, as they are read; without those that the options leave out."""
        for split, index in self.places():
            image = self.source.read(split, index)
            assert image is None or isinstance(image, Image.Image), (
                f"read returns a {type(image).__name__} for image {index} of the {split} split; return a PIL image, or "
                "None for one that the options leave out"
            )
            if image is not None:
                yield split, index, image

    # --- labels -----------------------------------------------------------------------------------------------------

    def test_splits(self) -> None:
        """There is a train split, perhaps a test split, and no other; neither is empty."""
        labels = self.source.labels()
        assert "train" in labels, f'labels() has the splits {sorted(labels)}; one of them must be "train"'
        others = sorted(set(labels) - {"train", "test"})
        assert not others, f'labels() has a split "{next(iter(others), "")}"; the host knows "train" and "test" alone'
        for split, values in labels.items():
            assert len(values) > 1, f"the {split} split has {len(values)} images; leave an empty one out"

    def test_labels_are_integers(self) -> None:
        """Labels are (N,) int64, and name one of the classes."""
        classes = len(self.source.class_names)
        for split, labels in self.source.labels().items():
            assert isinstance(labels, np.ndarray), f"labels of {split} are a {type(labels).__name__}, not an array"
            assert labels.dtype == np.int64, f"labels of {split} are {labels.dtype}, not int64; use astype(np.int64)"
            assert labels.ndim == 1, f"labels of {split} have the shape {labels.shape}, not (N,)"
            strangers = sorted(set(labels.tolist()) - set(range(classes)))
            assert not strangers, (
                f"labels of {split} hold {strangers[0]}, and the {classes} class_names are 0 to {classes - 1}; a label "
                "is a place among them"
            )

    def test_every_class_can_be_trained_on(self) -> None:
        """Every class has a training image."""
        seen = set(self.source.labels()["train"].tolist())
        missing = [name for label, name in enumerate(self.source.class_names) if label not in seen]
        assert not missing, (
            f'class "{next(iter(missing), "")}" has no training image ({len(missing)} such classes); leave it out of '
            "class_names"
        )

    def test_class_names(self) -> None:
        """Each class has a name of its own."""
        names = self.source.class_names
        assert isinstance(names, tuple), f"class_names is a {type(names).__name__}; make it a tuple of str"
        assert names and all(isinstance(name, str) and name.strip() for name in names), (  # noqa: PT018
            "class_names must be str, none of them empty"
        )
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        assert not twice, f'two classes are called "{next(iter(twice), "")}"; users name classes by these'

    # --- images -----------------------------------------------------------------------------------------------------

    def test_images_are_read(self) -> None:
        """Images are PIL images; nothing goes wrong when they are made into pixels."""
        count = 0
        for split, index, image in self.images():
            try:
                square(image, self.size, self.spec.channels)
            except Exception as error:
                raise AssertionError(
                    f"image {index} of the {split} split, of mode {image.mode}, cannot be made into pixels: {error}"
                ) from error
            count += 1
        assert count, f"all of the {len(list(self.places()))} images looked at are left out"

    def test_channels_are_those_declared(self) -> None:
        """Images of a set that declares one channel are gray; of one that declares three, not all are."""
        images = [image for _, _, image in self.images()]
        if self.spec.channels == 1:
            assert not any(map(_is_colored, images)), "images have colour, and the spec declares one; say channels=3"
        else:
            assert not all(image.mode in GRAY for image in images), (
                "all images are stored without colour, and the spec declares three channels; say channels=1"
            )

    def test_image_size_is_true(self) -> None:
        """Where the spec gives an image size, every image has it."""
        if self.spec.image_size is None:
            raise SkipTest("the spec gives no image_size")
        wanted = (self.spec.image_size, self.spec.image_size)
        for split, index, image in self.images():
            assert image.size == wanted, (
                f"image {index} of the {split} split is of {image.size[0]} x {image.size[1]} pixels, and image_size = "
                f"{wanted[0]}; leave image_size out where images differ"
            )

    def test_pixels(self) -> None:
        """Pixels are (channels, size, size) uint8 at any size, of the image that is read."""
        for channels, size in ((self.spec.channels, self.size), (4 - self.spec.channels, self.size // 2)):
            for split, index, image in self.images():
                pixels = self.source.pixels(split, index, size, channels)
                told = f"pixels of image {index} of the {split} split"
                assert isinstance(pixels, np.ndarray), f"{told} are a {type(pixels).__name__}, but read gives an image"
                assert pixels.shape == (channels, size, size), (
                    f"{told} have the shape {pixels.shape}, not {(channels, size, size)}"
                )
                assert pixels.dtype == np.uint8, f"{told} are {pixels.dtype}, not uint8"
                difference = np.abs(pixels.astype(float) - square(image, size, channels)).mean()
                assert difference < SAME, (
                    f"{told} differ from those of the image that is read by {difference:.1f} of 255 on average; "
                    "centre, scale and turn it as cganzoo.data.pixels.square does"
                )

    def test_pixels_in_one_go(self) -> None:
        """pixels_of gives what pixels gives, one image after another."""
        for split, labels in self.source.labels().items():
            indices = _spread(len(labels), self.looked_at)
            found = self.source.pixels_of(split, indices, self.size, self.spec.channels)
            assert len(found) == len(indices), f"pixels_of gives {len(found)} of {len(indices)} images"
            for index, pixels in zip(indices, found, strict=True):
                if isinstance(pixels, DataError):
                    raise pixels
                assert _same(pixels, self._pixels(split, index)), (
                    f"image {index} of the {split} split has other pixels from pixels_of than from pixels"
                )

    def test_an_image_stays_the_same(self) -> None:
        """An image read twice is the same image."""
        for split, index in self.places():
            assert _same(self._pixels(split, index), self._pixels(split, index)), (
                f"image {index} of the {split} split has other pixels when it is read again; augment nothing here"
            )

    def test_threads(self) -> None:
        """Images are the same when threads read them at once, as packing does."""
        places = list(self.places())
        alone = [self._pixels(*place) for place in places]
        with ThreadPoolExecutor(THREADS) as pool:
            together = list(pool.map(lambda place: self._pixels(*place), places * 2))
        for place, one, other in zip(places * 2, alone * 2, together, strict=True):
            assert _same(one, other), (
                f"image {place[1]} of the {place[0]} split has other pixels when {THREADS} threads read; share no "
                "state between reads, or hold a lock"
            )

    def test_no_image_is_in_both_splits(self) -> None:
        """No image is in both splits, bit for bit: a score on it would tell of memory."""
        labels = self.source.labels()
        if "test" not in labels:
            raise SkipTest("there is no test split")
        count = sum(map(len, labels.values()))
        if count > self.compared:
            raise SkipTest(f"{count:,} images are too many to compare; raise the class attribute compared")
        seen: dict[tuple[object, ...], int] = {}
        for index in range(len(labels["train"])):
            if (image := self.source.read("train", index)) is not None:
                seen[image.mode, image.size, image.tobytes()] = index
        twice = [
            (index, seen[key])
            for index in range(len(labels["test"]))
            if (image := self.source.read("test", index)) is not None
            and (key := (image.mode, image.size, image.tobytes())) in seen
        ]
        assert not twice, (
            f"{len(twice)} test images are training images, too; the first is image {twice[0][0]} of the test split, "
            f"{twice[0][1]} of the train split; where the set is like that, say so in expected_failures"
        )

    # --- the same every time ----------------------------------------------------------------------------------------

    def test_a_second_build_is_the_same(self) -> None:
        """Built again, the set is the same: classes, labels, images."""
        again = self.build()
        assert again.class_names == self.source.class_names, "built again, class_names differ; sort what is listed"
        labels, others = self.source.labels(), again.labels()
        for split, values in labels.items():
            assert np.array_equal(values, others[split]), (
                f"built again, the labels of {split} differ; sort what is listed, and seed what is drawn"
            )
        for split, index in self.places():
            assert _same(self._pixels(split, index), again.pixels(split, index, self.size, self.spec.channels)), (
                f"built again, image {index} of the {split} split is another; sort what is listed, and seed what is "
                "drawn"
            )

    def test_global_random_state_is_left_alone(self) -> None:
        """The generators of random numbers that all share are neither used nor moved."""
        found = []
        for seed in (1, 1, 2):
            with seeded(seed), untouched("the data set"):
                found.append(self._shown(self.build()))
        if not _alike(found[0], found[1]):
            raise SkipTest("the set differs from build to build, whatever the seed; another check says so")
        assert _alike(found[0], found[2]), (
            "the set depends on the seed of global random number generators; seed one of its own"
        )

    def test_fingerprint_stays_the_same(self) -> None:
        """The fingerprint is the same for two builds, so that a set is packed once."""
        first, second = self.source.fingerprint(), self.build().fingerprint()
        assert isinstance(first, str), f"fingerprint() returns a {type(first).__name__}; return a str"
        assert first, "the fingerprint is empty; return a hash of what decides images and labels"
        assert first == second, f"the fingerprint is {first} and, built again, {second}; hash sizes and dates, no times"

    def test_fingerprint_survives_a_restart(self) -> None:
        """The fingerprint is the same in another process."""
        options = self.located().model_dump(mode="json", by_alias=True, exclude_none=True)
        code = (
            "import sys, json\n"
            f"sys.path[:] = {sys.path!r}\n"
            "from cganzoo.config import parse\n"
            "from cganzoo.registry import load_plugins\n"
            f"spec = load_plugins().get('dataset', {self.component.full_name!r}).spec\n"
            f"config = parse(spec.config, json.loads({json.dumps(options)!r}))\n"
            "sys.stdout.write('\\nFINGERPRINT ' + spec.build(config).fingerprint())\n"
        )
        seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
        assert ended.returncode == 0, f"building the set in another process fails:\n{ended.stderr}"
        there, here = ended.stdout.rpartition("FINGERPRINT ")[2], self.source.fingerprint()
        assert there == here, (
            f"the fingerprint is {here} here and {there} in another process, so each run packs the set anew; use "
            "hashlib, as Python's hash() differs between processes"
        )

    def test_fingerprint_changes_with_the_options(self) -> None:
        """Options that change labels or images change the fingerprint: else a stale set would be trained on."""
        tried = 0
        for options in _other_options(self.spec.config, self.config()):
            try:
                other = self.build(**options)
                shown = self._shown(other)
            except (CganzooError, ValueError):
                continue  # not a choice on these images
            tried += 1
            same = _alike(shown, self._shown(self.source))
            assert same or other.fingerprint() != self.source.fingerprint(), (
                f"with {options} the set is another and its fingerprint the same; hash the options that matter, too"
            )
        if not tried:
            raise SkipTest("no option has another choice")

    # --- in the host ------------------------------------------------------------------------------------------------

    def test_building_decodes_no_image(self) -> None:
        """Building the set and taking its fingerprint opens no image: a set that is packed already starts at once."""
        with _counted() as opened:
            self.build().fingerprint()
        assert not opened, (
            f"build or fingerprint opens {len(opened)} images; list files there and leave opening them to read, and "
            "hash sizes and dates of files, not what they hold"
        )

    def test_missing_data_is_one_sentence(self) -> None:
        """A folder that holds no such set is refused in one sentence."""
        if "root" not in self.spec.config.model_fields:
            raise SkipTest("the set has no option root")
        with tempfile.TemporaryDirectory() as empty:
            try:
                self.spec.build(self.config(root=empty)).labels()
                told = "an empty folder as root is accepted"
            except CganzooError as refusal:
                told = f"the error for an empty folder is of many lines: {refusal}" if "\n" in str(refusal) else ""
            except Exception as error:
                told = f"an empty folder as root: {type(error).__name__}: {error}"
        assert not told, (
            f"{told}; raise cganzoo.errors.DataError, whose one sentence names the folder and what it should hold"
        )

    def test_packing(self) -> None:
        """It is packed into the cache, and opened from there again."""
        some = _Some(self.source, self.looked_at)
        with tempfile.TemporaryDirectory() as folder:
            where: dict[str, Any] = {
                "name": self.spec.name,
                "image_size": self.size,
                "channels": self.spec.channels,
                "folder": Path(folder),
            }
            first = {
                split: (part.images[:], part.labels, part.fingerprint) for split, part in packed(some, **where).items()
            }
            again = packed(some, **where, progress=_refuse)
            for split, labels in some.labels().items():
                images, packed_labels, fingerprint = first[split]
                expected = [
                    (label, pixels)
                    for index, label in enumerate(labels.tolist())
                    if (pixels := some.pixels(split, index, self.size, self.spec.channels)) is not None
                ]
                assert packed_labels.tolist() == [label for label, _ in expected], f"packed labels of {split} differ"
                assert all(map(_same, images, [pixels for _, pixels in expected])), f"packed images of {split} differ"
                assert again[split].fingerprint == fingerprint, f"opened again, the {split} split is another"

    # --- comparing --------------------------------------------------------------------------------------------------

    def _shown(self, source: ImageSource) -> Shown:
        labels = source.labels()
        pixels = [
            source.pixels(split, index, self.size, self.spec.channels)
            for split, values in labels.items()
            for index in _spread(len(values), self.looked_at)
        ]
        return {split: values.tolist() for split, values in labels.items()}, pixels

    def _pixels(self, split: str, index: int) -> np.ndarray | None:
        return self.source.pixels(split, index, self.size, self.spec.channels)


class _Some(ImageSource):
    """Some images of a set: the first few of each class to train on, and others spread over each split."""

    def __init__(self, source: ImageSource, count: int) -> None:
        self.source, self.class_names = source, source.class_names
        labels = source.labels()
        chosen = {split: set(_spread(len(values), count)) for split, values in labels.items()}
        by_class = np.argsort(labels["train"], kind="stable")
        starts = np.flatnonzero(np.diff(labels["train"][by_class], prepend=-1))
        chosen["train"] |= {int(index) for start in starts for index in by_class[start : start + FEW]}
        self._places = {split: sorted(indices) for split, indices in chosen.items()}
        self._labels = {split: values[self._places[split]] for split, values in labels.items()}

    def labels(self) -> Mapping[str, np.ndarray]:
        return self._labels

    def read(self, split: str, index: int) -> Image.Image | None:
        return self.source.read(split, self._places[split][index])

    def pixels(self, split: str, index: int, size: int, channels: int) -> np.ndarray | None:
        return self.source.pixels(split, self._places[split][index], size, channels)

    def pixels_of(
        self, split: str, indices: Sequence[int], size: int, channels: int
    ) -> list[np.ndarray | DataError | None]:
        return self.source.pixels_of(split, [self._places[split][index] for index in indices], size, channels)

    def fingerprint(self) -> str:
        return self.source.fingerprint()

    def skip_unreadable(self) -> bool:
        return self.source.skip_unreadable()


def _refuse(done: int, total: int) -> None:
    raise AssertionError("a set that was packed before is packed again; its fingerprint has changed")


def _spread(count: int, wanted: int) -> list[int]:
    """Up to ``wanted`` of ``range(count)``, from its first to its last."""
    return np.unique(np.linspace(0, count - 1, wanted).astype(int)).tolist() if count else []


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


def _alike(one: Shown, other: Shown) -> bool:
    """Equal labels and images."""
    return bool(one[0] == other[0]) and all(map(_same, one[1], other[1]))


def _is_colored(image: Image.Image) -> bool:
    planes = np.asarray(image.convert("RGB")).astype(int)
    return bool((np.ptp(planes, axis=2) > 16).any())  # a gray JPEG may have a tinge


def _other_options(model: type[Config], config: Config) -> Iterator[dict[str, Any]]:
    """One option at a time changed to another choice, or to another number."""
    yield from (options for options in variants(model) if options)
    for name in model.model_fields:
        value = getattr(config, name)
        if isinstance(value, float):
            yield {name: value / 2}
        elif isinstance(value, int) and not isinstance(value, bool):
            yield {name: value + 1}


@contextmanager
def _counted() -> Iterator[list[str]]:
    """What Pillow opens or decodes meanwhile."""
    opened: list[str] = []
    real = Image.open

    def opening(*arguments: Any, **options: Any) -> Any:
        opened.append("open")
        return real(*arguments, **options)

    with mock.patch.object(Image, "open", opening):
        yield opened
