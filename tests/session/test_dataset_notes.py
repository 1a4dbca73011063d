"""What is said of a data set before a run: damage, files that were left out, unusual classes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from cganzoo.console.reporter import Reporter
from cganzoo.data.cache import ImageSet
from cganzoo.data.download import fetch
from cganzoo.data.source import ArraySource
from cganzoo.errors import DataError
from cganzoo.session.dataset import load, open_source, place_of, select
from cganzoo.specs import Archive

pytestmark = pytest.mark.usefixtures("cache")

Write = Callable[..., Path]


class Told:
    """A reporter, not at a terminal, and what it said."""

    def __init__(self) -> None:
        self.file = io.StringIO()
        self.reporter = Reporter(Console(file=self.file, _environ={"TERM": "dumb", "COLUMNS": "200"}))

    @property
    def text(self) -> str:
        return self.file.getvalue()


@pytest.fixture
def told() -> Told:
    return Told()


class Numbers(ArraySource):
    """Ten images of two classes to train on, four to test."""

    def __init__(self) -> None:
        splits = {"train": np.arange(10) % 2, "test": np.arange(4) % 2}
        super().__init__({name: (np.zeros((len(of), 8, 8), np.uint8), of) for name, of in splits.items()}, ("a", "b"))


def numbers(told: Told) -> dict[str, ImageSet]:
    return load(select("cifar10", ["data.image_size=8"]), Numbers(), told.reporter)


def test_damaged_packed_images_are_packed_again_and_that_is_said(told: Told) -> None:
    place = place_of(numbers(told))
    (place / "train.labels").write_bytes(bytes(80))
    again = Told()
    assert numbers(again)["train"].labels.tolist() == [0, 1] * 5
    assert (
        f"{place}: the packed images are damaged (train.labels does not match its checksum); they are p" in again.text
    )
    assert "packed 14 images in " in again.text


def test_what_the_layout_notes_is_said_each_time(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Numbers, "notes", lambda self: ("3 files were left out\x1b[31m",))
    monkeypatch.setattr(Numbers, "fingerprint", lambda self: "with notes")
    for _ in range(2):
        numbers(told)
    assert told.text.count("note: 3 files were left out\\x1b[31m\n") == 2


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ([0, 0, 0], [0], 'note: the set has one class, "a"\n'),
        ([0, 0, 1, 2, 2], [0, 1, 2], "note: 1 class has one training image: b\n"),
        ([0, 0, 1, 1, 2, 2], [0, 0], "note: 2 classes have no test image: b and c\n"),
        ([*range(8), 0], range(8), "note: 7 classes have one training image: b, c, d, e, f and 2 more\n"),
    ],
)
def test_unusual_classes_are_said(told: Told, train: list[int], test: list[int], said: str) -> None:
    labels = {"train": np.array(train, np.int64), "test": np.array(list(test), np.int64)}
    classes = tuple("abcdefgh"[: max(train) + 1])
    source = ArraySource({name: (np.zeros((len(of), 8, 8), np.uint8), of) for name, of in labels.items()}, classes)
    load(select("cifar10", ["data.image_size=8"]), source, told.reporter)
    assert said in told.text
    assert told.text.count("note:") == 1


def test_a_damaged_download_is_not_packed(
    server: Any, write_tar: Write, cifar10_members: dict[str, bytes], told: Told, cache: Path
) -> None:
    server.files["cifar-10-python.tar.gz"] = write_tar(cifar10_members, "cifar-10-python.tar.gz").read_bytes()
    checksum = "sha256:" + hashlib.sha256(server.files["cifar-10-python.tar.gz"]).hexdigest()
    place = fetch(Archive(url=server.url("cifar-10-python.tar.gz"), checksum=checksum), cache / "downloads")
    selection = select("cifar10")
    source = open_source(selection, told.reporter)
    place.write_bytes(place.read_bytes() + b"x")
    with pytest.raises(DataError, match="is damaged since it was downloaded"):
        load(selection, source, told.reporter)
    assert not list((cache / "datasets").glob("cifar*"))


def test_a_tar_of_a_user_s_own_images(write_tar: Write, told: Told) -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "png")
    names = [f"mine/{name}/{i}.png" for name in ("cat", "dog") for i in range(3)]
    root = write_tar(dict.fromkeys(names, file.getvalue()))
    selection = select("folder", ["data.image_size=8", f'data.root="{root}"'])
    splits = load(selection, open_source(selection, told.reporter), told.reporter)
    assert splits["train"].labels.tolist() == [0, 0, 1, 1]
    assert "unpacking set.tar.gz" in told.text
    assert splits["train"].layout == (
        "train from mine/; test from 0.1 of each class, held out; classes from folders; 1 level down, in mine/; "
        "nothing left out"
    )
