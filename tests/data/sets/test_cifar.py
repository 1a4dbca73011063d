"""CIFAR from archives in the official format, and from ones that mean harm."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision

from cganzoo.config import ArchiveConfig
from cganzoo.data.sets import cifar, specs
from cganzoo.data.sets.specs import CIFAR100Config
from cganzoo.errors import DataError

pytestmark = pytest.mark.usefixtures("cache")

Write = Callable[..., Path]
Members = dict[str, bytes]


def write_folder(folder: Path, members: Members) -> Path:
    for name, content in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("form", ["archive", "above", "folder"])
def test_cifar10(cifar10_members: Members, write_tar: Write, tmp_path: Path, form: str) -> None:
    above = write_folder(tmp_path / "unpacked", cifar10_members)
    root = {"archive": write_tar(cifar10_members), "above": above, "folder": above / "cifar-10-batches-py"}[form]
    source = cifar.cifar10(ArchiveConfig(root=str(root)))
    assert source.class_names == ("airplane", "automobile", "bird")
    labels = source.labels()
    assert set(labels) == {"train", "test"}
    assert labels["train"].tolist() == [0, 1, 2, 2, 1, 0] * 5
    assert labels["test"].tolist() == [0, 1, 2, 2, 1, 0]
    for index, label in enumerate(labels["test"]):
        image = np.asarray(source.read("test", index))
        assert image.shape == (32, 32, 3)
        assert (image[:, :, 0] == 20 * label).all()
        assert (image[:, 0, 1] == np.arange(32)).all(), "green grows downwards"
        assert (image[0, :, 2] == np.arange(32)).all(), "blue grows to the right"


def test_the_batches_keep_their_order(cifar10_members: Members, pickled: Any, write_tar: Write) -> None:
    for number in range(1, 6):
        data = np.full((1, 3072), number, np.uint8)
        values = {"data": data, "labels": [number % 3]}
        cifar10_members[f"cifar-10-batches-py/data_batch_{number}"] = pickled(values, 2)
    source = cifar.cifar10(ArchiveConfig(root=str(write_tar(cifar10_members))))
    assert source.labels()["train"].tolist() == [1, 2, 0, 1, 2]
    assert [source.read("train", index).getpixel((0, 0)) for index in range(5)] == [(n, n, n) for n in range(1, 6)]


@pytest.mark.parametrize(
    ("labels", "names", "expected"),
    [("fine", ("apple", "pear", "cod", "ray"), [0, 1, 2, 3]), ("coarse", ("fruit", "fish"), [0, 0, 1, 1])],
)
def test_cifar100(
    cifar100_members: Members, write_tar: Write, labels: Any, names: tuple[str, ...], expected: list[int]
) -> None:
    source = cifar.cifar100(CIFAR100Config(root=str(write_tar(cifar100_members)), labels=labels))
    assert source.class_names == names
    assert source.labels()["train"].tolist() == expected * 3
    assert source.labels()["test"].tolist() == expected
    assert np.asarray(source.read("train", 3))[0, 0, 0] == 60


@pytest.mark.parametrize("python", [2, 3])
def test_batches_of_either_python(cifar10_members: Members, pickled: Any, tmp_path: Path, python: int) -> None:
    batch = {"data": np.full((2, 3072), 7, np.uint8), "labels": [2, 1], "note": b"\xff\x00"}
    cifar10_members["cifar-10-batches-py/test_batch"] = pickled(batch, python)
    source = cifar.cifar10(ArchiveConfig(root=str(write_folder(tmp_path, cifar10_members))))
    assert source.labels()["test"].tolist() == [2, 1]


def test_the_archive_and_the_names_are_those_that_torchvision_knows() -> None:
    found = {spec.name: spec for spec in specs.cganzoo_datasets()}
    for name, theirs, key in (
        ("cifar10", torchvision.datasets.CIFAR10, "label_names"),
        ("cifar100", torchvision.datasets.CIFAR100, "fine_label_names"),
    ):
        folder, meta, batches = cifar.FILES[name]
        archive = found[name].archive
        assert archive is not None
        assert (archive.url, archive.checksum) == (theirs.url, f"md5:{theirs.tgz_md5}")
        assert archive.filename == theirs.filename
        assert folder == theirs.base_folder
        assert {
            "train": [entry[0] for entry in theirs.train_list],
            "test": [entry[0] for entry in theirs.test_list],
        } == batches
        assert (theirs.meta["filename"], theirs.meta["key"]) == (meta, key)


class Evil:
    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call, self.arguments


@pytest.mark.parametrize("where", ["data_batch_3", "test_batch", "batches.meta"])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_that_runs_a_command_is_refused(
    cifar10_members: Members, tmp_path: Path, where: str, protocol: int
) -> None:
    trace = tmp_path / "was here"
    for call, *arguments in (
        (os.system, f"touch '{trace}'"),
        (eval, f"open({str(trace)!r}, 'w')"),
        (open, str(trace), "w"),
        (getattr, "", "join"),
        (np.load, str(trace)),
    ):
        harm = pickle.dumps({"data": Evil(call, *arguments), "labels": [], "label_names": []}, protocol)
        cifar10_members[f"cifar-10-batches-py/{where}"] = harm
        root = write_folder(tmp_path / "set", cifar10_members)
        with pytest.raises(
            DataError, match=f"{where}: is not a batch of CIFAR, or is damaged .it asks for .*{call.__name__}"
        ):
            cifar.cifar10(ArchiveConfig(root=str(root)))
        assert not trace.exists()


def test_no_codec_but_the_one_for_bytes(cifar10_members: Members, tmp_path: Path) -> None:
    import codecs

    harm = pickle.dumps({"data": Evil(codecs.encode, "x", "rot13")}, 2)
    cifar10_members["cifar-10-batches-py/test_batch"] = harm
    with pytest.raises(DataError, match="'rot13' is not a text encoding"):
        cifar.cifar10(ArchiveConfig(root=str(write_folder(tmp_path, cifar10_members))))


GOOD = np.zeros((2, 3072), np.uint8)


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ({"labels": [0, 1]}, 'holds no "data"'),
        ({"data": GOOD}, 'holds no "labels"'),
        ([GOOD, [0, 1]], 'holds no "data"'),
        ({"data": GOOD[:, :3000], "labels": [0, 1]}, '"data" is not an array of N x 3072 bytes'),
        ({"data": GOOD.astype(np.float32), "labels": [0, 1]}, '"data" is not an array of N x 3072 bytes'),
        ({"data": GOOD.reshape(2, 3, 1024), "labels": [0, 1]}, '"data" is not an array of N x 3072 bytes'),
        ({"data": GOOD.tolist(), "labels": [0, 1]}, '"data" is not an array of N x 3072 bytes'),
        ({"data": GOOD, "labels": [0]}, '"labels" is not a list of 2 labels'),
        ({"data": GOOD, "labels": "01"}, '"labels" is not a list of 2 labels'),
        ({"data": GOOD, "labels": [0, 3]}, "label 3 is not one of 0 to 2"),
        ({"data": GOOD, "labels": [-1, 0]}, "label -1 is not one of 0 to 2"),
        ({"data": GOOD, "labels": [0, 1.0]}, r"label 1\.0 is not one of"),
    ],
)
@pytest.mark.parametrize("python", [2, 3])
def test_what_is_wrong_with_a_batch(
    cifar10_members: Members, pickled: Any, tmp_path: Path, batch: Any, said: str, python: int
) -> None:
    cifar10_members["cifar-10-batches-py/data_batch_2"] = pickled(batch, python)
    with pytest.raises(DataError, match=f"data_batch_2: {said}"):
        cifar.cifar10(ArchiveConfig(root=str(write_folder(tmp_path, cifar10_members))))


def test_a_batch_that_is_missing_or_damaged(cifar10_members: Members, tmp_path: Path) -> None:
    folder = write_folder(tmp_path, cifar10_members) / "cifar-10-batches-py"
    config = ArchiveConfig(root=str(tmp_path))
    content = (folder / "data_batch_4").read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"<html>", os.urandom(1000)):
        (folder / "data_batch_4").write_bytes(damaged)
        with pytest.raises(DataError, match="data_batch_4: is not a batch of CIFAR, or is damaged"):
            cifar.cifar10(config)
    (folder / "data_batch_4").unlink()
    with pytest.raises(DataError, match="data_batch_4: is missing"):
        cifar.cifar10(config)


def test_meta_without_names(cifar100_members: Members, pickled: Any, tmp_path: Path) -> None:
    config = CIFAR100Config(root=str(tmp_path))
    for meta, said in (
        ({}, "holds no"),
        ({"fine_label_names": [1]}, "not a list"),
        ({"fine_label_names": []}, "not a list"),
    ):
        write_folder(tmp_path, {**cifar100_members, "cifar-100-python/meta": pickled(meta, 2)})
        with pytest.raises(DataError, match=f"meta: {said}|meta: .*{said}"):
            cifar.cifar100(config)


def test_class_folders_are_another_set(tmp_path: Path) -> None:
    (tmp_path / "train" / "cat").mkdir(parents=True)
    for build in (
        lambda: cifar.cifar10(ArchiveConfig(root=str(tmp_path))),
        lambda: cifar.cifar100(CIFAR100Config(root=str(tmp_path))),
    ):
        with pytest.raises(DataError, match=f'{tmp_path}: holds no folder .*set data.name = "folder"'):
            build()


def test_the_other_cifar_s_archive(cifar10_members: Members, cifar100_members: Members, write_tar: Write) -> None:
    ten, hundred = write_tar(cifar10_members, "c10.tar.gz"), write_tar(cifar100_members, "c100.tar.gz")
    for build, root, other in (
        (lambda root: cifar.cifar10(ArchiveConfig(root=root)), hundred, "cifar100"),
        (lambda root: cifar.cifar100(CIFAR100Config(root=root)), ten, "cifar10"),
    ):
        with pytest.raises(DataError) as caught:
            build(str(root))
        assert str(caught.value).startswith(f'{root}: holds {other}; set data.name = "{other}", or name')


def test_both_in_one_folder(cifar10_members: Members, cifar100_members: Members, tmp_path: Path) -> None:
    root = str(write_folder(tmp_path, cifar10_members | cifar100_members))
    assert len(cifar.cifar10(ArchiveConfig(root=root)).class_names) == 3
    assert len(cifar.cifar100(CIFAR100Config(root=root)).class_names) == 4


def test_what_is_wrong_in_an_archive_is_told_of_the_archive(cifar10_members: Members, write_tar: Write) -> None:
    del cifar10_members["cifar-10-batches-py/data_batch_4"]
    root = write_tar(cifar10_members)
    with pytest.raises(DataError) as caught:
        cifar.cifar10(ArchiveConfig(root=str(root)))
    place = root / "cifar-10-batches-py" / "data_batch_4"
    assert str(caught.value) == f"{place}: is missing; get the archive again, and unpack all of it"
