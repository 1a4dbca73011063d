"""The checks of data sets: each planted fault is caught, and the sets of the host pass."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest

import numpy as np
import pytest
from PIL import Image

from cganzoo.testing import Conformance, DatasetConformance
from cganzoo.testing.conformance import checks, run

FOLDER = Path(__file__).parents[1] / "fixtures" / "faulty_plugins" / "datasets"
CHECKS = 26

# --- archives in the official formats, in miniature -----------------------------------------------------------------

Members = dict[str, bytes]
RANDOM = np.random.default_rng(0)


def picture(width: int, height: int, form: str = "PNG") -> bytes:
    """A random image, encoded."""
    file = io.BytesIO()
    coarse = Image.fromarray(RANDOM.integers(30, 226, (4, 4, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.NEAREST))
    Image.fromarray(pixels + RANDOM.integers(0, 30, (height, width, 1), dtype=np.uint8)).save(file, form)
    return file.getvalue()


def tar(path: Path, members: Members) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def cifar(folder: Path, label_keys: Mapping[str, int], meta: str, batches: list[str], where: Path) -> Path:
    """``label_keys``: the names of the labels in a batch, each with its number of classes."""
    names = {key.replace("labels", "label_names"): [f"{key} {i}" for i in range(k)] for key, k in label_keys.items()}
    members = {meta: pickle.dumps(names, 2)}
    for batch in batches:
        values: dict[str, Any] = {key: [i % k for i in range(8)] for key, k in label_keys.items()}
        values["data"] = RANDOM.integers(0, 256, (8, 3072), dtype=np.uint8)
        members[batch] = pickle.dumps(values, 2)
    return tar(where, {f"{folder}/{name}": content for name, content in members.items()})


def cifar10(folder: Path) -> Path:
    batches = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    return cifar(Path("cifar-10-batches-py"), {"labels": 3}, "batches.meta", batches, folder / "cifar10.tar.gz")


def cifar100(folder: Path) -> Path:
    keys = {"fine_labels": 4, "coarse_labels": 2}
    return cifar(Path("cifar-100-python"), keys, "meta", ["train", "test"], folder / "cifar100.tar.gz")


def tinyimagenet(folder: Path) -> Path:
    ids = ("n01", "n02", "n03")
    path = folder / "tiny-imagenet-200.zip"
    members = {
        "wnids.txt": "\n".join(ids).encode(),
        "words.txt": b"n01\tgoldfish\nn02\tcrane\nn03\tpretzel\n",
        "val/val_annotations.txt": "".join(f"val_{i}.JPEG\t{ids[i % 3]}\t0\t0\t1\t1\n" for i in range(6)).encode(),
        **{f"train/{name}/images/{name}_{i}.JPEG": picture(64, 64, "JPEG") for name in ids for i in range(4)},
        **{f"val/images/val_{i}.JPEG": picture(64, 64, "JPEG") for i in range(6)},
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"tiny-imagenet-200/{name}", content)
    return path


def cub200(folder: Path) -> Path:
    files = [f"00{1 + i // 5}.{'Tern' if i < 5 else 'Gull'}/{i}.jpg" for i in range(10)]
    tables = {
        "classes": ["1 001.Tern", "2 002.Gull"],
        "images": [f"{i} {file}" for i, file in enumerate(files)],
        "image_class_labels": [f"{i} {1 + i // 5}" for i in range(10)],
        "train_test_split": [f"{i} {int(i % 5 < 3)}" for i in range(10)],
    }
    members = {f"{name}.txt": "\n".join(lines).encode() for name, lines in tables.items()}
    members |= {f"images/{file}": picture(50 + i, 40, "JPEG") for i, file in enumerate(files)}
    return tar(folder / "CUB_200_2011.tgz", {f"CUB_200_2011/{name}": data for name, data in members.items()})


def class_folders(root: Path, splits: Mapping[str, int], form: str, size: Callable[[int], int]) -> Path:
    for split, count in splits.items():
        for name in ("n01", "n02", "n03"):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                (root / split / name / f"{i}.{form}").write_bytes(picture(size(i), 8, form))
    return root


# --- the sets of the host --------------------------------------------------------------------------------------------


class TestDigits(DatasetConformance):
    name = "digits"


class TestCIFAR10(DatasetConformance):
    name = "cifar10"


class TestCIFAR100(DatasetConformance):
    name = "cifar100"


class TestTinyImageNet(DatasetConformance):
    name = "tinyimagenet"


class TestCUB200(DatasetConformance):
    name = "cub200"


class TestImageNet(DatasetConformance):
    name = "imagenet"


class TestFolder(DatasetConformance):
    name = "folder"


class TestFolderWithoutTest(DatasetConformance):
    name = "folder"


@pytest.fixture(autouse=True, scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the faulty sets, and write small archives for the host's sets."""
    folder = tmp_path_factory.mktemp("sets")
    pictures = class_folders(folder / "pictures", {"train": 4, "test": 2}, "png", lambda i: 8)
    roots = {
        TestCIFAR10: cifar10(folder),
        TestCIFAR100: cifar100(folder),
        TestTinyImageNet: tinyimagenet(folder),
        TestCUB200: cub200(folder),
        TestImageNet: class_folders(folder / "imagenet", {"train": 3, "val": 2}, "jpeg", lambda i: 40 + i),
        TestFolder: pictures,
        TestFolderWithoutTest: class_folders(folder / "one", {"": 5}, "png", lambda i: 9 + i),
        Faultless: pictures,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        for conformance, place in roots.items():
            patch.setattr(conformance, "options", {"root": str(place)})
        yield pictures


# --- planted faults -------------------------------------------------------------------------------------------------

# All checks that compute pixels fail if that is impossible.
OF_PIXELS = {
    "pixels",
    "pixels_in_one_go",
    "an_image_stays_the_same",
    "threads",
    "a_second_build_is_the_same",
    "packing",
}

FAULTS: dict[str, tuple[str, set[str]]] = {
    "another_split": ("splits", set()),
    "no_images_to_test_on": ("splits", {"packing"}),
    "labels_of_32_bits": ("labels_are_integers", set()),
    "labels_from_one": ("labels_are_integers", {"every_class_can_be_trained_on", "packing"}),
    "empty_class": ("every_class_can_be_trained_on", {"packing"}),
    "two_classes_of_one_name": ("class_names", set()),
    "class_names_in_a_list": ("class_names", set()),
    "arrays_for_images": (
        "images_are_read",
        {"channels_are_those_declared", "image_size_is_true", "pixels", "no_image_is_in_both_splits"},
    ),
    "images_of_floats": ("images_are_read", {*OF_PIXELS, "global_random_state_is_left_alone"}),
    "color_declared_gray": ("channels_are_those_declared", set()),
    "gray_declared_color": ("channels_are_those_declared", set()),
    "wrong_size": ("image_size_is_true", set()),
    "augments": ("an_image_stays_the_same", OF_PIXELS - {"a_second_build_is_the_same"}),
    "pixels_in_another_order": ("pixels", {"packing"}),
    "pixels_scaled_otherwise": ("pixels", set()),
    "pixels_of_others_in_one_go": ("pixels_in_one_go", {"packing"}),
    "shares_state_among_threads": ("threads", set()),
    "trains_on_test_images": ("no_image_is_in_both_splits", set()),
    "splits_at_random": ("a_second_build_is_the_same", {"fingerprint_stays_the_same"}),
    "splits_by_the_global_generator": ("global_random_state_is_left_alone", set()),
    "fingerprint_of_the_time": ("fingerprint_stays_the_same", {"packing"}),
    "fingerprint_by_hash": ("fingerprint_survives_a_restart", set()),
    "fingerprint_without_options": ("fingerprint_changes_with_the_options", set()),
    "fingerprint_of_what_was_read": ("packing", set()),
    "fingerprint_of_pixels": ("building_decodes_no_image", set()),
    "decodes_when_built": ("building_decodes_no_image", set()),
    "tracebacks_without_data": ("missing_data_is_one_message", set()),
}
"""Component to the check that is meant for its fault, and the other checks that must fail with it."""


class Faultless(DatasetConformance):
    """The base of all faulty sets."""

    name = "pictures"


class Faulty(Faultless):
    """Without the slow check in another process, except for the fault that it is meant for."""

    def test_fingerprint_survives_a_restart(self) -> None:
        if self.name == "fingerprint_by_hash":
            super().test_fingerprint_survives_a_restart()


def test_a_faultless_set_passes_every_check() -> None:
    outcomes = list(run(Faultless))
    assert {outcome.check: outcome.message for outcome in outcomes if outcome.status != "passed"} == {}
    assert len(outcomes) == CHECKS == DatasetConformance.number_of_checks


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught_by_the_check_meant_for_it(name: str) -> None:
    check, others = FAULTS[name]
    conformance = type(f"Test{name}", (Faulty,), {"name": name})
    found = {outcome.check: outcome.message for outcome in run(conformance) if outcome.status == "failed"}
    assert check in found
    assert set(found) == {check} | others, json.dumps(found, indent=1)
    assert len(found[check]) > 40, "a message that says what is wrong and what to do"


def test_every_planted_fault_is_in_the_table_and_every_check_has_one(
    record_property: Callable[[str, object], None],
) -> None:
    from cganzoo_faulty_datasets import OF_THE_CODE, OF_THE_SPEC

    assert set(FAULTS) == {*OF_THE_CODE, *OF_THE_SPEC}
    assert set(checks(DatasetConformance)) - set(checks(Conformance)) == {check for check, _ in FAULTS.values()}
    record_property("planted faults", f"data sets: {len(FAULTS)}, for {CHECKS} checks")


# --- the kit itself -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cifar10", "folder", "pictures"])
@pytest.mark.parametrize("options", [{}, {"root": "/no/such/place"}])
def test_a_set_that_is_not_on_this_machine_is_skipped_with_one_reason(name: str, options: dict[str, str]) -> None:
    class Elsewhere(DatasetConformance):
        pass

    Elsewhere.name, Elsewhere.options = name, options
    outcomes = {outcome.check: outcome for outcome in run(Elsewhere)}
    of_the_images = set(checks(DatasetConformance)) - set(checks(Conformance)) - {"missing_data_is_one_message"}
    of_the_images -= {"image_size_is_true"} if name == "folder" else set()  # it has none, which is the reason then
    assert {outcomes[check].status for check in of_the_images} == {"skipped"}
    assert len({outcomes[check].message for check in of_the_images}) == 1
    assert outcomes["splits"].message.startswith("the images are not on this machine: ")
    assert 'set options = {"root": ...}' in outcomes["splits"].message
    assert outcomes["missing_data_is_one_message"].status == "passed"
    assert not [outcome for outcome in outcomes.values() if outcome.status == "failed"]


def test_a_set_of_many_images_is_not_compared(root: Path) -> None:
    class Large(Faultless):
        compared: ClassVar = 10

    with pytest.raises(SkipTest, match="18 images are too many to compare; raise the class attribute compared"):
        Large().test_no_image_is_in_both_splits()
