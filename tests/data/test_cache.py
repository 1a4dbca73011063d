"""The packed cache: whole or not there, read by many, never stale."""

from __future__ import annotations

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from cganzoo._util import files
from cganzoo.data import cache
from cganzoo.data.cache import ImageSet, cache_folder, packed
from cganzoo.data.source import ArraySource
from cganzoo.errors import DataError


def source(count: int = 30, value: int = 0) -> ArraySource:
    images = np.random.default_rng(0).integers(0, 256, (count, 4, 4), np.uint8)
    images[0] = value
    labels = np.arange(count) % 3
    return ArraySource({"train": (images, labels), "test": (images[:6], labels[:6])}, class_names=("a", "b", "c"))


def pack(folder: Path, of: ArraySource | None = None, size: int = 4) -> dict[str, ImageSet]:
    return packed(of or source(), name="set", image_size=size, channels=1, folder=folder)


def entries(folder: Path) -> list[Path]:
    return sorted((folder / "datasets").iterdir())


class Unread(ArraySource):
    """Fails the test when an image is read."""

    def read(self, split: str, index: int) -> Image.Image:
        raise AssertionError("read again")


def test_what_is_packed_is_what_is_read(tmp_path: Path) -> None:
    original = source()
    splits = pack(tmp_path, original)
    assert splits.keys() == {"train", "test"}
    train = splits["train"]
    np.testing.assert_array_equal(train.images[:, 0], original._splits["train"][0])
    np.testing.assert_array_equal(train.labels, np.arange(30) % 3)
    assert (train.class_names, train.num_classes, train.split, train.skipped) == (("a", "b", "c"), 3, "train", ())
    assert isinstance(train.images, np.memmap)
    assert not train.images.flags.writeable
    assert train.fingerprint != splits["test"].fingerprint


def test_a_packed_set_is_not_packed_again(tmp_path: Path) -> None:
    first = pack(tmp_path)
    again = pack(tmp_path, Unread(source()._splits, ("a", "b", "c")))
    assert again["train"].fingerprint == first["train"].fingerprint
    np.testing.assert_array_equal(again["train"].images, first["train"].images)


def test_a_changed_source_and_changed_settings_are_packed_anew(tmp_path: Path) -> None:
    before = pack(tmp_path)["train"]
    after = pack(tmp_path, source(value=9))["train"]
    assert (after.images[0] == 9).all()
    assert after.fingerprint != before.fingerprint
    assert pack(tmp_path, ArraySource(source()._splits, ("a", "b", "d")))["train"].class_names == ("a", "b", "d")
    assert pack(tmp_path, size=8)["train"].images.shape == (30, 1, 8, 8)
    assert packed(source(), name="set", image_size=4, channels=3, folder=tmp_path)["train"].images.shape[1] == 3
    assert len(entries(tmp_path)) == 5


def test_progress_counts_every_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "CHUNK", 7)
    told: list[tuple[int, int]] = []
    count = 600
    splits = packed(
        source(count), name="set", image_size=4, channels=1, folder=tmp_path, progress=lambda *at: told.append(at)
    )
    assert [done for done, _ in told] == [*range(7, 600, 7), 600, 606]
    assert {total for _, total in told} == {606}
    np.testing.assert_array_equal(splits["train"].labels, np.arange(count) % 3)


def test_the_folder_is_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CGANZOO_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    packed(source(), name="set", image_size=4, channels=1)
    assert len(entries(tmp_path / "here")) == 1
    monkeypatch.delenv("CGANZOO_CACHE")
    assert cache_folder().name == "cganzoo"


# --- whole or not there ---------------------------------------------------------------------------------------------


def test_a_kill_while_packing_leaves_nothing_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class KilledError(BaseException):
        pass

    def killed(beside: Path, place: Path) -> None:
        assert (beside / "meta.json").is_file(), "killed at the last moment"
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(files, "_rename", killed)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # a kill cleans nothing up
        with pytest.raises(KilledError):
            pack(tmp_path)
    assert [entry.name[0] for entry in entries(tmp_path)] == ["."]
    assert len(pack(tmp_path)["train"].labels) == 30


@pytest.mark.parametrize("skip", [False, True])
def test_an_image_that_cannot_be_made_into_pixels_is_named(tmp_path: Path, skip: bool) -> None:
    class Floats(ArraySource):
        def read(self, split: str, index: int) -> Image.Image:
            image = super().read(split, index)
            return image.convert("F") if (split, index) == ("test", 4) else image

        def skip_unreadable(self) -> bool:
            return skip

    of = Floats(source()._splits, ("a", "b", "c"))
    told = "image 4 of the test split: cannot be made into pixels (a float image has no agreed range of values; "
    if skip:
        splits = pack(tmp_path, of)
        assert (len(splits["train"].labels), splits["test"].labels.tolist()) == (30, [0, 1, 2, 0, 2])
        (sentence,) = splits["test"].skipped
        assert sentence.startswith(told)
    else:
        with pytest.raises(DataError) as caught:
            pack(tmp_path, of)
        assert str(caught.value).startswith(told)
        assert entries(tmp_path) == []


def full_disk(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("what", ["folder", "pixels", "meta"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    class Full:
        """A file that takes the first images and then no more."""

        def __init__(self, file: Any) -> None:
            self.file, self.room = file, 2

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, data: bytes) -> None:
            self.room -= 1
            if self.room < 0:
                full_disk()

    with monkeypatch.context() as patch:
        if what == "folder":
            (tmp_path / "datasets").mkdir()
            patch.setattr(Path, "mkdir", full_disk)
        elif what == "pixels":
            patch.setattr(cache, "CHUNK", 7)
            opened = Path.open
            patch.setattr(Path, "open", lambda self, *mode, **_: Full(opened(self, *mode)))
        else:
            patch.setattr(Path, "write_text", full_disk)
        with pytest.raises(DataError) as caught:
            pack(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'datasets'}: packed images cannot be written here: No space left on device; "
        "make room, or set CGANZOO_CACHE to another folder"
    )
    assert entries(tmp_path) == []
    assert len(pack(tmp_path)["train"].labels) == 30, "with room again"


def test_a_cache_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DataError, match=r"packed images cannot be written here: .*; make room, or set CGANZOO_CACHE"):
        pack(file)


@pytest.mark.parametrize(
    ("labels", "told"),
    [([0, 0], 'train split: class "b" has no readable image'), ([], "train split: there is no readable image")],
)
def test_a_split_without_images_is_refused(tmp_path: Path, labels: list[int], told: str) -> None:
    images = np.zeros((len(labels), 4, 4), np.uint8)
    empty = ArraySource({"train": (images, np.array(labels, np.int64))}, class_names=("a", "b"))
    with pytest.raises(DataError) as caught:
        pack(tmp_path, empty)
    assert str(caught.value) == told
    assert entries(tmp_path) == []


def test_a_packed_set_needs_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that others packed may be read-only."""
    pack(tmp_path)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("written to")

    for place, name in ((FileLock, "acquire"), (Path, "mkdir")):
        monkeypatch.setattr(place, name, refuse)
    assert len(pack(tmp_path)["train"].labels) == 30


# --- many threads ---------------------------------------------------------------------------------------------------


class Numbered(ArraySource):
    """Image i is i all over; the first request is not the first to be answered."""

    def __init__(self, count: int = 200) -> None:
        images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, 4, 4))
        super().__init__({"train": (images, np.arange(count) % 3)}, ("a", "b", "c"))
        self.asked: list[int] = []

    def pixels(self, split: str, index: int, size: int, channels: int) -> np.ndarray | None:
        self.asked.append(index)
        time.sleep(0.002 * (index // 3 % 4 == 0))
        return super().pixels(split, index, size, channels)


def test_images_are_in_order_whichever_thread_was_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "CHUNK", 3)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    of = Numbered()
    images = pack(tmp_path, of)["train"].images
    assert images[:, 0, 0, 0].tolist() == list(range(200))
    assert of.asked != sorted(of.asked), "several at once"


def test_images_that_are_left_out_on_purpose_are_counted_and_not_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Every(Numbered):
        def read(self, split: str, index: int) -> Image.Image | None:  # type: ignore[override]
            return None if index % 10 == 7 else super().read(split, index)

    monkeypatch.setattr(cache, "CHUNK", 6)
    told: list[tuple[int, int]] = []
    for _ in range(2):  # packed, and read again
        train = packed(
            Every(), name="set", image_size=4, channels=1, folder=tmp_path, progress=lambda *at: told.append(at)
        )["train"]
        kept = [i for i in range(200) if i % 10 != 7]
        assert train.images[:, 0, 0, 0].tolist() == kept
        assert train.labels.tolist() == [i % 3 for i in kept]
        assert (train.left_out, train.skipped) == (20, ())
    assert told[-1] == (200, 200)


def test_few_images_are_in_memory_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    of = Numbered()
    for size, length in ((4, 128), (1024, 4), (4096, 1)):
        chunk = next(cache._chunks(of, "train", 200, size, 1))
        assert len(chunk) == length
    of.asked.clear()
    monkeypatch.setattr(cache, "CHUNK", 1)
    chunks = cache._chunks(of, "train", 200, 4, 1)
    next(chunks)
    time.sleep(0.2)
    assert len(of.asked) <= 6, "no more until the next is wanted"
    assert len(list(chunks)) == 199


def test_an_unreadable_image_ends_the_packing_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bad(Numbered):
        def read(self, split: str, index: int) -> Image.Image:
            if index == 9:
                raise self.unreadable(split, index, "is bad")
            return super().read(split, index)

    monkeypatch.setattr(cache, "CHUNK", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    of = Bad()
    with pytest.raises(DataError, match=r"^image 9 of the train split: is bad$"):
        pack(tmp_path, of)
    assert len(of.asked) < 30
    assert entries(tmp_path) == []
