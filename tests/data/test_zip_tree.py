"""The files in a zip archive: the same names and bytes, or a message about the archive."""

from __future__ import annotations

import os
import random
import re
import stat
import struct
import threading
import time
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from image_files import FILES, contents, tree_refusal, write_zip

from cganzoo.data.tree import open_tree
from cganzoo.errors import DataError


def test_an_archives_fingerprint_changes_with_it_and_needs_no_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed(*_: object) -> None:
        raise AssertionError("listed")

    path = write_zip(tmp_path / "set.zip", FILES)
    monkeypatch.setattr(zipfile, "ZipFile", listed)
    os.utime(path, ns=(1, 1))
    seen = [open_tree(path).fingerprint()]
    assert open_tree(path).fingerprint() == seen[0]
    data = path.read_bytes()
    time.sleep(0.05)  # the clock that dates files is coarse
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))
    seen.append(open_tree(path).fingerprint())
    os.utime(path, ns=(1, 2))
    seen.append(open_tree(path).fingerprint())
    path.write_bytes(data[:-1] + b"x")
    seen.append(open_tree(path).fingerprint())
    path.write_bytes(b"0" + data)
    seen.append(open_tree(path).fingerprint())
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("change", ["end", "size"])
def test_an_archives_fingerprint_does_not_rest_on_dates_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Of two archives written within one tick of the clock."""
    path = write_zip(tmp_path / "set.zip", {"a.bin": random.Random(0).randbytes(1 << 17)})
    data = path.read_bytes()
    other = data[:-30] + b"x" + data[-29:] if change == "end" else data[:9] + b"x" + data[9:]
    status = os.fstat

    def one_date(number: int) -> SimpleNamespace:
        return SimpleNamespace(st_size=status(number).st_size, st_mtime_ns=1, st_ctime_ns=1)

    monkeypatch.setattr(os, "fstat", one_date)
    before = open_tree(path).fingerprint()
    path.write_bytes(other)
    assert open_tree(path).fingerprint() != before


def test_threads_read_one_archive_at_once(tmp_path: Path) -> None:
    chance = random.Random(0)
    files = {f"{i}.bin": chance.randbytes(chance.randrange(5000)) * 2 for i in range(200)}
    tree = open_tree(write_zip(tmp_path / "set.zip", files))
    results: list[bool] = []

    def work(seed: int) -> None:
        names = sorted(files)
        random.Random(seed).shuffle(names)
        results.append(all(tree.read(name) == files[name] for name in names * 5))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [True] * 4


def test_what_stands_around_an_archive_does_no_harm(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "set.zip", FILES)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"a comment" * 1000
    path.write_bytes(b"#!/bin/sh\nexit\n" + path.read_bytes())
    assert contents(open_tree(path)) == FILES


def test_archives_of_the_64_bit_kind_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    path = write_zip(tmp_path / "set.zip", FILES)
    data = path.read_bytes()
    assert b"PK\6\6" in data
    assert data.count(struct.pack("<L", 0xFFFFFFFF)) > 3, "sizes and offsets are in the extra fields"
    assert contents(open_tree(path)) == FILES


def test_an_archive_of_nothing_is_empty(tmp_path: Path) -> None:
    assert open_tree(write_zip(tmp_path / "set.zip", {})).names == []


@pytest.mark.parametrize(
    ("raw", "name"), [("é.png".encode(), "é.png"), ("é.png".encode("cp437"), "é.png"), (b"a\\b.png", "a/b.png")]
)
def test_names_are_read_however_an_archiver_wrote_them(tmp_path: Path, raw: bytes, name: str) -> None:
    """Without the flag that says UTF-8; with the slashes of Windows."""
    placeholder = "x" * len(raw)
    path = write_zip(tmp_path / "set.zip", {placeholder: b"1"})
    path.write_bytes(path.read_bytes().replace(placeholder.encode(), raw))
    assert contents(open_tree(path)) == {name: b"1"}


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up.png", "a/../../up.png", "..\\up.png", "C:/up.png", "C:\\up.png"]
)
def test_a_member_that_points_out_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    told = tree_refusal(write_zip(tmp_path / "set.zip", {"a/1.png": b"1", name: b"2"}))
    slashed = name.replace("\\", "/")
    assert told == f'holds the member "{slashed}", which points out of the archive; do not trust this file'


def test_two_spellings_of_a_name_are_one_file_or_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "same.zip", {"a/1.png": b"1", "./a/1.png": b"1"})
    assert contents(open_tree(path)) == {"a/1.png": b"1"}
    told = tree_refusal(write_zip(tmp_path / "set.zip", {"a/1.png": b"1", "./a/1.png": b"2"}))
    assert told == (
        'holds two different files by the names "a/1.png" and "./a/1.png", which mean the same; pack the files anew'
    )


def test_names_with_dots_in_them_point_nowhere(tmp_path: Path) -> None:
    files = {"a..b/1.png": b"1", "a/..2.png...": b"2"}
    assert contents(open_tree(write_zip(tmp_path / "set.zip", files))) == {"a..b/1.png": b"1"}


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "set.zip", FILES)
    link = zipfile.ZipInfo("a/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert tree_refusal(path) == (
        'holds the symbolic link "a/link.png", and links are not followed; pack the files themselves'
    )


def test_members_that_cannot_be_unpacked_are_told(tmp_path: Path) -> None:
    whole = write_zip(tmp_path / "set.zip", {"a/1.png": b"1"}).read_bytes()
    entry, told = whole.index(b"PK\1\2"), "is encrypted, or compressed by a method not read here; pack the archive anew"
    for at, value in ((entry + 8, 1), (entry + 8, 1 << 6), (entry + 10, 9)):  # a password, a strong one, deflate64
        data = bytearray(whole)
        data[at] = value
        (tmp_path / "set.zip").write_bytes(data)
        with pytest.raises(ValueError, match=f"^{told} with deflate and without a password$"):
            open_tree(tmp_path / "set.zip").read("a/1.png")


def test_what_is_no_archive_or_a_part_of_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    for data in (b"", b"text", bytes(100_000)):
        path.write_bytes(data)
        assert tree_refusal(path) == "is not a zip archive; name one, or an unpacked folder"
    whole = write_zip(path, FILES).read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError) as caught:
        open_tree(path)
    assert str(caught.value) == (
        f"{path}: is cut short: the end of the zip archive is missing or damaged; copy or download it again"
    )
    at = whole.index(b"PK\1\2")
    for data in (whole[:at] + b"XX" + whole[at + 2 :], whole[-22:]):
        path.write_bytes(data)
        told = tree_refusal(path)
        assert told.startswith("is damaged: its directory cannot be read (")
        assert told.endswith("); copy or download it again")


@pytest.mark.parametrize("value", [1 << 40, 1 << 63, (1 << 64) - 1])
@pytest.mark.parametrize("what", ["size", "packed", "offset"])
def test_no_number_of_an_archive_is_too_large_for_a_sentence(tmp_path: Path, what: str, value: int) -> None:
    """Sizes and places of the 64-bit kind, which can say anything."""
    path = write_zip(tmp_path / "set.zip", {"a.bin": b"1" * 500})
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\1\2")
    at = entry + {"packed": 20, "size": 24, "offset": 42}[what]
    data[at : at + 4] = b"\xff" * 4
    struct.pack_into("<H", data, entry + 30, 12)  # an extra field follows the name
    extra = struct.pack("<HHQ", 1, 8, value)
    data[entry + 46 + 5 : entry + 46 + 5] = extra
    end = data.index(b"PK\5\6")
    struct.pack_into("<L", data, end + 12, end - entry)
    path.write_bytes(data)
    tree = open_tree(path)
    if what == "packed":  # deflate knows its own end
        with suppress(ValueError, DataError):
            assert tree.read("a.bin") == b"1" * 500
        return
    with pytest.raises((ValueError, DataError)) as caught:  # newer versions of Python see a wrong offset while listing
        tree.read("a.bin")
    told = f"is stated to have {value:,} bytes; files of at most 268,435,456 are read"
    assert (told if what == "size" else "is damaged") in str(caught.value)


def test_an_end_that_says_anything_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 0)  # writes the 64-bit kind
    path = write_zip(tmp_path / "set.zip", FILES)
    whole = path.read_bytes()
    record, locator = whole.index(b"PK\6\6"), whole.index(b"PK\6\7")
    told: list[str] = []
    for at in (record + 40, record + 48, locator + 8):  # the directory's size and place, the record's place
        for value in (1 << 63, (1 << 64) - 1, 1 << 50):
            data = bytearray(whole)
            struct.pack_into("<Q", data, at, value)
            path.write_bytes(data)
            try:
                assert contents(open_tree(path)) == FILES  # zipfile does not go by the last of the three
            except (ValueError, DataError) as error:  # the first of members that lie elsewhere
                told.append(str(error))
    assert told
    assert all(re.match(rf"({re.escape(str(path))}: )?is (damaged|cut short)[^\n]*$", sentence) for sentence in told)
    data = bytearray(whole)
    struct.pack_into("<L", data, locator + 16, 7)  # of seven disks
    path.write_bytes(data)
    assert tree_refusal(path).startswith("is cut short: ")


def test_a_member_that_claims_to_be_small_is_not_unpacked_further(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "set.zip", {"bomb.png": bytes(1 << 24)})
    data = path.read_bytes().replace(struct.pack("<L", 1 << 24), struct.pack("<L", 10))
    path.write_bytes(data)
    tree = open_tree(path)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"^is damaged in the archive; copy or download that again$"):
        tree.read("bomb.png")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_no_damage_gives_wrong_bytes_or_another_error(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    whole = write_zip(path, FILES | {"stored.bin": b"x"}).read_bytes()
    chance = random.Random(0)
    told: list[str] = []
    for number in range(1500):
        data = bytearray(whole)
        if number % 3 == 0:
            del data[chance.randrange(len(data)) :]
        else:
            for _ in range(chance.choice((1, 1, 4))):
                data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data)
        try:
            tree = open_tree(path)
            names = [name for name in tree.names if not name.endswith("/")]
        except DataError as error:
            told.append(str(error))
            continue
        for name in names:
            try:
                assert tree.read(name) in (*FILES.values(), b"x")
            except ValueError as error:
                told.append(f"{path}: {error}")
    assert len(told) > 500
    assert {sentence[: len(str(path)) + 5] for sentence in told} <= {f"{path}: is ", f"{path}: hol"}
