"""Damaged files of a packed set: never used, packed again, and said."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cganzoo.data import cache, packed_files
from cganzoo.data.cache import ImageSet, packed
from cganzoo.data.source import ArraySource
from cganzoo.errors import DataError


def source() -> ArraySource:
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 4), np.uint8)
    labels = np.arange(30) % 3
    return ArraySource({"train": (images, labels), "test": (images[:6], labels[:6])}, class_names=("a", "b", "c"))


def pack(folder: Path) -> dict[str, ImageSet]:
    return packed(source(), name="set", image_size=4, channels=1, folder=folder)


def entries(folder: Path) -> list[Path]:
    return sorted((folder / "datasets").iterdir())


def changed(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """A change of the JSON in a packed set's file, whose checksum is right again."""

    def make(place: Path) -> None:
        values = json.loads((place / name).read_text())
        change(values)
        values.pop("checksum")
        (place / name).write_text(json.dumps({**values, "checksum": packed_files._checksum(values)}))

    return make


def flip(name: str, at: int = 5) -> Callable[[Path], object]:
    """One bit is another."""

    def make(place: Path) -> None:
        data = bytearray((place / name).read_bytes())
        data[at] ^= 1
        (place / name).write_bytes(data)

    return make


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "short pixels": (lambda place: (place / "train.images").write_bytes(b"short"), "train.images has 5 bytes"),
    "no pixels": (lambda place: (place / "train.images").unlink(), "train.images is missing"),
    "a folder for pixels": (
        lambda place: ((place / "train.images").unlink(), (place / "train.images").mkdir()), "train.images has"
    ),
    "a bit of pixels": (flip("train.images"), "train.images does not match its checksum"),
    "a bit of test pixels": (flip("test.images"), "test.images does not match its checksum"),
    "all pixels inverted": (
        lambda place: (place / "train.images").write_bytes(
            bytes(255 - value for value in (place / "train.images").read_bytes())
        ),
        "train.images does not match its checksum",
    ),
    "short labels": (lambda place: (place / "train.labels").write_bytes(b"12345678"), "train.labels does not match"),
    "a bit of labels": (flip("train.labels", 8), "train.labels does not match its checksum"),
    "other labels": (
        lambda place: np.full(30, 7).astype(np.int64).tofile(place / "train.labels"), "train.labels does not match"
    ),
    "no labels": (lambda place: (place / "test.labels").unlink(), "test.labels is missing"),
    "no meta": (lambda place: (place / "meta.json").unlink(), "meta.json is missing"),
    "a bit of a class name": (
        lambda place: (place / "meta.json").write_text((place / "meta.json").read_text().replace('"b"', '"j"')),
        "meta.json does not match its checksum",
    ),
    **{
        f"meta {text[:20]!r}": (
            lambda place, text=text: (place / "meta.json").write_text(text), "meta.json has another form"  # type: ignore[misc]
        )
        for text in ('{"splits": ', "{}", "[]", "null", "3", "", '{"checksum": 3}', "[" * 100_000, "9" * 5000)
    },
    "meta that is no text": (lambda place: (place / "meta.json").write_bytes(b"\xff\xfe{"), "meta.json has another"),
    "a shape of text": (changed("meta.json", lambda meta: meta.update(shape=["1", 4, 4])), "meta.json has another"),
    "another shape": (changed("meta.json", lambda meta: meta.update(shape=[4, 4, 1])), "meta.json is that of"),
    "no splits": (changed("meta.json", lambda meta: meta.update(splits={})), 'meta.json holds no split "train"'),
    "too few classes": (changed("meta.json", lambda meta: meta.update(class_names=["a"])), "train.labels holds a"),
    "a negative count": (
        changed("meta.json", lambda meta: meta["splits"]["test"].update(count=-1)), "meta.json has another form"
    ),
    "another count": (changed("meta.json", lambda meta: meta["splits"]["test"].update(count=5)), "test.images has"),
}  # fmt: skip


def fifo(name: str) -> Callable[[Path], object]:
    """A file that is a FIFO, which one may wait for without end."""
    return lambda place: ((place / name).unlink(missing_ok=True), os.mkfifo(place / name))


if hasattr(os, "mkfifo"):
    DAMAGE |= {
        "labels are a FIFO": (fifo("train.labels"), "train.labels cannot be read (it is no file but a FIFO"),
        "meta is a FIFO": (fifo("meta.json"), "meta.json cannot be read (it is no file but a FIFO"),
        "pixels are a FIFO": (fifo("test.images"), "test.images has 0 bytes"),
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_note_of_the_last_verification_that_is_a_fifo_is_not_read(tmp_path: Path) -> None:
    pack(tmp_path)
    (place,) = entries(tmp_path)
    fifo("verified.json")(place)
    packed(source(), name="set", image_size=4, channels=1, folder=tmp_path, say=lambda text: pytest.fail(text))


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_set_is_packed_again_with_a_message(tmp_path: Path, damage: str) -> None:
    before = pack(tmp_path)
    (place,) = entries(tmp_path)
    make, said = DAMAGE[damage]
    make(place)
    told: list[str] = []
    after = packed(source(), name="set", image_size=4, channels=1, folder=tmp_path, say=told.append)
    (message,) = told
    assert message.startswith(f"{place}: the packed images are damaged ({said}"), message
    assert message.endswith("); they are packed again")
    assert entries(tmp_path) == [place]
    for split in before:
        np.testing.assert_array_equal(after[split].images[:, 0], source()._splits[split][0])
        np.testing.assert_array_equal(after[split].labels, source()._splits[split][1])
        assert after[split].fingerprint == before[split].fingerprint
    packed(source(), name="set", image_size=4, channels=1, folder=tmp_path, say=told.append)
    assert len(told) == 1


def test_a_damaged_set_that_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(tmp_path)
    (place,) = entries(tmp_path)
    flip("train.images")(place)

    def refuse(*_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(DataError) as caught:
        pack(tmp_path)
    assert str(caught.value) == (
        f"{place}: the packed images are damaged (train.images does not match its checksum), and cannot be removed "
        "(Read-only file system); remove this folder, or set CGANZOO_CACHE to another one"
    )


def test_a_file_that_may_not_be_read_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(tmp_path)
    (place,) = entries(tmp_path)

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        with pytest.raises(DataError, match=r"meta\.json: cannot be read: Permission denied"):
            pack(tmp_path)
    assert entries(tmp_path) == [place]


def test_another_process_may_have_packed_a_damaged_set_again(tmp_path: Path) -> None:
    pack(tmp_path)
    (place,) = entries(tmp_path)
    before = (place / "train.images").stat().st_ino
    cache._remove_damaged(place, (1, 4, 4), packed_files.DamagedError("seen before the other process packed it"))
    assert (place / "train.images").stat().st_ino == before


def test_a_large_set_is_verified_when_it_changed_or_after_a_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_files, "VERIFIED_ALWAYS", 100)
    pack(tmp_path)
    (place,) = entries(tmp_path)
    file = place / "train.images"
    status = file.stat()
    flip("train.images")(place)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    told: list[str] = []

    def again() -> None:
        packed(source(), name="set", image_size=4, channels=1, folder=tmp_path, say=told.append)

    again()
    assert told == [], "verified when it was packed, and its size and time are the same"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + packed_files.VERIFIED_EVERY + 1)
    again()
    assert len(told) == 1
    flip("train.images")(place)
    again()
    assert len(told) == 2, "its time is another"
    for text in ("", "[]", '{"train.images": [1]}', '{"train.images": 3}', "[" * 100_000):
        (place / "verified.json").write_text(text)
        again()
        assert json.loads((place / "verified.json").read_text()).keys() == {"train.images", "test.images"}
    assert len(told) == 2


def test_the_progress_of_a_long_verification_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_files, "VERIFIED_ALWAYS", 100)
    pack(tmp_path)
    (place,) = entries(tmp_path)
    (place / "verified.json").unlink()
    seen: list[tuple[int, int]] = []
    packed(source(), name="set", image_size=4, channels=1, folder=tmp_path, verifying=lambda *at: seen.append(at))
    assert seen[-1] == (36 * 16, 36 * 16)


def test_a_class_whose_name_cannot_be_written_is_refused(tmp_path: Path) -> None:
    odd = ArraySource(source()._splits, class_names=("a", "caf\udce9", "c"))
    with pytest.raises(DataError, match=r'the class\'s name "caf\\udce9" is not UTF-8; rename the class'):
        packed(odd, name="set", image_size=4, channels=1, folder=tmp_path)
