"""Files and folders that would hang the program or fill the memory: FIFOs, devices, links, huge images, deep trees."""

from __future__ import annotations

import io
import os
import shutil
import signal
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from image_files import fill, source
from PIL import Image

from cganzoo.data.cache import packed
from cganzoo.data.file_source import MOST_PIXELS
from cganzoo.data.tree import DEEPEST, LARGEST_FILE, MOST_PATHS, FolderTree, open_tree
from cganzoo.errors import DataError


@pytest.fixture(autouse=True)
def _time_limit() -> Iterator[None]:
    """End a test that hangs, where the system has alarms."""

    def ended(*_: object) -> None:
        raise AssertionError("no answer in 20 seconds")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, ended)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


needs_fifos = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")


@needs_fifos
def test_what_is_no_file_is_never_opened_and_counted(tmp_path: Path) -> None:
    fill(tmp_path / "set", "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    os.mkfifo(tmp_path / "set" / "a" / "fifo.png")
    os.mkfifo(tmp_path / "elsewhere")
    (tmp_path / "set" / "a" / "link.png").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "b" / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "set" / "labels.csv").symlink_to(tmp_path / "elsewhere")
    of = source(tmp_path / "set")
    splits = packed(of, name="folder", image_size=4, channels=3, folder=tmp_path)
    assert sum(len(split.labels) for split in splits.values()) == 4
    assert of.layout().endswith("left out: 4 entries that are no file (a FIFO, a device or a socket)")
    assert any("4 entries that are no file" in note for note in of.notes())


@needs_fifos
def test_a_file_that_has_become_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "wnids.txt")
    with pytest.raises(ValueError, match="is no file but a FIFO"):
        FolderTree(tmp_path).read("wnids.txt")
    with pytest.raises(DataError, match=r"wnids\.txt: is no file but a FIFO"):
        FolderTree(tmp_path).lines("wnids.txt")
    with pytest.raises(DataError, match="is neither a folder nor a file"):
        open_tree(tmp_path / "wnids.txt")


def deep_folders(root: Path, depth: int) -> None:
    """Folders named "d" inside each other. One path of all names would be too long for the system."""
    here = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def remove_deep_folders(root: Path) -> None:
    """Move the lower half out of the upper one until each is short enough to be removed."""
    while root.joinpath(*["d"] * 50).is_dir():
        (root / "d").rename(root / "old")
        root.joinpath("old", *["d"] * 49).rename(root / "d")
        shutil.rmtree(root / "old")
    shutil.rmtree(root)


def test_a_deep_tree_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    deep_folders(root, 1500)
    try:
        with pytest.raises(
            DataError, match=f"d/d/d: folders lie more than {DEEPEST} levels deep; name a fold"
        ) as caught:
            open_tree(root).names  # noqa: B018
    finally:
        remove_deep_folders(root)  # pytest cannot
    assert len(str(caught.value)) < 300
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("d/" * 1500 + "1.png", b"")
    with pytest.raises(DataError, match=f"d/d/d: folders lie more than {DEEPEST} levels deep"):
        open_tree(path).names  # noqa: B018
    assert len(open_tree(fill(tmp_path / "fine", "d/" * (DEEPEST - 1) + "1.png")).names) == DEEPEST


def test_links_that_make_many_paths_are_refused(tmp_path: Path) -> None:
    for level in range(22):
        folder = tmp_path / f"level{level}"
        folder.mkdir()
        for name in "ab":
            (folder / name).symlink_to(tmp_path / f"level{level + 1}")
    fill(tmp_path / "level22", "1.png")
    with pytest.raises(DataError, match=f"links lead to this folder by more than {MOST_PATHS} paths"):
        open_tree(tmp_path / "level0").names  # noqa: B018


def test_folders_that_link_to_each_other_are_refused(tmp_path: Path) -> None:
    for name in map(str, range(12)):
        (tmp_path / name).mkdir()
        for other in map(str, range(12)):
            (tmp_path / name / other).symlink_to(tmp_path / other)
    with pytest.raises(DataError, match="links lead to this folder"):
        open_tree(tmp_path).names  # noqa: B018


def png(width: int, height: int) -> bytes:
    """A whole PNG of one colour, which is small whatever its size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pack = zlib.compressobj()
    rows = b"".join(pack.compress(bytes(1 + 3 * width)) for _ in range(height)) + pack.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore:Image size")  # pytest undoes the filter of the module
@pytest.mark.parametrize("side", [9460, 13_000, 20_000])
def test_an_image_of_too_many_pixels_is_not_decoded(tmp_path: Path, side: int) -> None:
    root = fill(tmp_path / "set", "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    # Only the header counts: the rows that follow are too few.
    (root / "a" / "0.png").write_bytes(
        png(side, 1).replace(struct.pack(">II", side, 1), struct.pack(">II", side, side))
    )
    content = bytearray((root / "a" / "0.png").read_bytes())
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (root / "a" / "0.png").write_bytes(content)
    tracemalloc.start()
    skipping = packed(source(root, "skip"), name="folder", image_size=4, channels=3, folder=tmp_path / "cache")
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()
    (message,) = skipping["train"].skipped
    size = f"{side:,} x {side:,} pixels" if side < 14_000 else "too many pixels"
    assert message == f"{root / 'a' / '0.png'}: has {size}; images of at most {MOST_PIXELS:,} are decoded"
    with pytest.raises(DataError, match=r"has .* pixels; images of at most .*; repair or remove it, or set"):
        packed(source(root), name="folder", image_size=4, channels=3, folder=tmp_path / "cache")


def test_a_tiny_jpeg_of_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "jpeg")
    data = bytearray(file.getvalue())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 13_000, 13_000)
    fill(tmp_path, "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    (tmp_path / "a" / "0.jpg").write_bytes(data)
    errors = [found for found in source(tmp_path).pixels_of("train", [0], 4, 3) if isinstance(found, DataError)]
    assert "has 13,000 x 13,000 pixels" in str(errors)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    size = LARGEST_FILE + 1
    with (tmp_path / "1.png").open("wb") as file:
        file.truncate(size)
    said = f"{size:,} bytes; files of at most {LARGEST_FILE:,} are read"
    with pytest.raises(ValueError, match=f"^has {said}$"):
        open_tree(tmp_path).read("1.png")
    path = tmp_path / "set.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("1.png", "w") as member,
    ):
        for _ in range(0, size, 1 << 20):
            member.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(ValueError, match="bytes; files of at most"):
        open_tree(path).read("1.png")
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_a_name_with_control_codes_is_shown_without_them(tmp_path: Path) -> None:
    root = fill(tmp_path / "set", "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    (root / "a" / "0\x1b[31m\n.png").write_bytes(b"no image")
    train = packed(source(root, "skip"), name="folder", image_size=4, channels=3, folder=tmp_path / "cache")["train"]
    assert train.skipped == (f"{root / 'a'}/0\\x1b[31m\\n.png: is not an image",)
    with pytest.raises(DataError) as caught:
        packed(source(root), name="folder", image_size=4, channels=3, folder=tmp_path / "cache")
    assert str(caught.value).isprintable()


def test_files_whose_names_are_not_utf_8_are_read(tmp_path: Path) -> None:
    root = fill(tmp_path / "set", "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    try:
        (root / "a" / "1.png").rename(root / "a" / "caf\udce9.png")
        (root / "b" / "bad\udce9.png").write_bytes(b"no image")
    except (OSError, UnicodeError):
        pytest.skip("this file system takes UTF-8 only")
    splits = packed(source(root, "skip"), name="folder", image_size=4, channels=3, folder=tmp_path / "cache")
    assert sum(len(split.labels) for split in splits.values()) == 4
    assert splits["train"].skipped == (f"{root / 'b'}/bad\\udce9.png: is not an image",)
