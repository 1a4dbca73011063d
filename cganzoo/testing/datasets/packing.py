"""A data set is the same in each build and process, so that it is packed once, and it works in the host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import SkipTest, mock

import numpy as np
from PIL import Image

from cganzoo.config import Config
from cganzoo.data.cache import packed
from cganzoo.data.source import ImageSource
from cganzoo.errors import CganzooError, DataError
from cganzoo.testing.conformance import choices, only
from cganzoo.testing.randomness import seeded, untouched

from .content import DatasetContent, same, same_content, spread

FEW = 3  # images of each class that are packed at least, as options may leave one out


class DatasetConformance(DatasetContent):
    """The checks of a data set. Subclass it with its ``name``. If its images are missing, nearly all are skipped."""

    kind = "dataset"
    number_of_checks = 26

    def test_a_second_build_is_the_same(self) -> None:
        """A second build has the same classes, labels and images."""
        again, advice = self.build(), "sort what is listed, and seed all random numbers"
        assert again.class_names == self.source.class_names, f"a second build has other class_names; {advice}"
        labels = again.labels()
        for split, values in self.source.labels().items():
            assert np.array_equal(values, labels[split]), f"a second build has other labels of {split}; {advice}"
        for split, index in self.places():
            equal = same(self.pixels(split, index), self.pixels(split, index, again))
            assert equal, f"in a second build, image {index} of the {split} split is another one; {advice}"

    def test_global_random_state_is_left_alone(self) -> None:
        """The global random number generators are neither used nor changed."""
        found = []
        for seed in (1, 1, 2):
            with seeded(seed), untouched("the data set"):
                found.append(self.content(self.build()))
        if not same_content(found[0], found[1]):
            raise SkipTest("the set differs between builds with the same seed; see a_second_build_is_the_same")
        equal = same_content(found[0], found[2])
        assert equal, "the set depends on the seed of a global random number generator; use a generator of your own"

    def test_fingerprint_stays_the_same(self) -> None:
        """The fingerprint is the same for two builds, so that a set is packed once."""
        first, second = self.source.fingerprint(), self.build().fingerprint()
        assert isinstance(first, str), f"fingerprint() returns a {type(first).__name__}; return a str"
        assert first, "the fingerprint is empty; return a hash of what decides images and labels"
        assert first == second, f"the fingerprint is {first}, then {second}; do not hash times or random numbers"

    def test_fingerprint_survives_a_restart(self) -> None:
        """The fingerprint is the same in another process."""
        options = self.located().model_dump(mode="json", by_alias=True, exclude_none=True)
        distribution = self.component.provider.distribution
        code = (
            "import sys, json\n"
            f"sys.path[:] = {sys.path!r}\n"
            "from cganzoo.config import parse\n"
            "from cganzoo.registry import load_plugins\n"
            f"spec = load_plugins({only(distribution)!r}).get('dataset', {self.component.full_name!r}).spec\n"
            f"config = parse(spec.config, json.loads({json.dumps(options)!r}))\n"
            "sys.stdout.write('\\nFINGERPRINT ' + spec.build(config).fingerprint())\n"
        )
        environment = {**os.environ, "PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"}
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
        assert ended.returncode == 0, f"building the set in another process fails:\n{ended.stderr}"
        there, here = ended.stdout.rpartition("FINGERPRINT ")[2], self.source.fingerprint()
        problem = f"the fingerprint is {here} here and {there} in another process"
        assert there == here, f"{problem}; use hashlib, as Python's hash() differs between processes"

    def test_fingerprint_changes_with_the_options(self) -> None:
        """Options that change labels or images change the fingerprint; otherwise an old packed set would be used."""
        tried = 0
        for options in _other_options(self.spec.config, self.config()):
            try:
                other = self.build(**options)
                content = self.content(other)
            except (CganzooError, ValueError):
                continue  # not possible for these images
            tried += 1
            right = same_content(content, self.content(self.source)) or other.fingerprint() != self.source.fingerprint()
            assert right, f"with {options} the set changes, but not its fingerprint; hash the options that matter, too"
        if not tried:
            raise SkipTest("no option has another value")

    def test_building_decodes_no_image(self) -> None:
        """Building the set and its fingerprint opens no image file, so a run on a packed set starts quickly."""
        with mock.patch.object(Image, "open", side_effect=Image.open) as opened:
            self.build().fingerprint()
        assert not opened.called, "build or fingerprint opens images; only list files, and hash their sizes and dates"

    def test_missing_data_is_one_message(self) -> None:
        """A folder without such a set is refused with a message of one line."""
        if "root" not in self.spec.config.model_fields:
            raise SkipTest("the set has no option root")
        with tempfile.TemporaryDirectory() as empty:
            try:
                self.spec.build(self.config(root=empty)).labels()
                problem = "an empty folder as root is accepted"
            except CganzooError as refusal:
                problem = f"the error for an empty folder has several lines: {refusal}" if "\n" in str(refusal) else ""
            except Exception as error:
                problem = f"an empty folder as root: {type(error).__name__}: {error}"
        assert not problem, f"{problem}; raise a DataError of one line that names the folder and its expected content"

    def test_packing(self) -> None:
        """The data set can be packed into the cache, and opened from the cache again."""
        some = _Subset(self.source, self.looked_at)
        where: dict[str, Any] = {"name": self.spec.name, "image_size": self.size, "channels": self.spec.channels}
        with tempfile.TemporaryDirectory() as folder:
            where["folder"] = Path(folder)
            parts = packed(some, **where)
            first = {split: (part.images[:], part.labels, part.fingerprint) for split, part in parts.items()}
            again = packed(some, **where, progress=_refuse)
            for split, labels in some.labels().items():
                images, packed_labels, fingerprint = first[split]
                pixels = [self.pixels(split, index, some) for index in range(len(labels))]
                kept = [index for index, image in enumerate(pixels) if image is not None]
                assert packed_labels.tolist() == labels[kept].tolist(), f"packed labels of {split} differ"
                assert all(map(same, images, [pixels[index] for index in kept])), f"packed images of {split} differ"
                assert again[split].fingerprint == fingerprint, f"opened again, the {split} split is another one"


class _Subset(ImageSource):
    """Some images of a set: the first images of each training class, and images at equal distances in each split."""

    def __init__(self, source: ImageSource, count: int) -> None:
        self.source, self.class_names = source, source.class_names
        labels = source.labels()
        chosen = {split: set(spread(len(values), count)) for split, values in labels.items()}
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
    raise AssertionError("a packed set is packed again: its fingerprint changed; hash only what decides the set")


def _other_options(model: type[Config], config: Config) -> Iterator[dict[str, Any]]:
    """One option at a time changed to another value."""
    yield from filter(None, choices(model))
    for name in model.model_fields:
        value = getattr(config, name)
        if isinstance(value, float):
            yield {name: value / 2}
        elif isinstance(value, int) and not isinstance(value, bool):
            yield {name: value + 1}
