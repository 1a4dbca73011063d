"""Tar archives from anywhere: unpacked once, and never outside their own folder."""

from __future__ import annotations

import gzip
import os
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cganzoo.data import archive as module
from cganzoo.data.archive import is_tar, unpacked
from cganzoo.errors import DataError

pytestmark = pytest.mark.usefixtures("cache")

MEMBERS = {"set/a/1.txt": b"one", "set/a/2.txt": b"", "set/b/3.txt": os.urandom(100_000)}

Write = Callable[..., Path]


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path != folder / module.CONTENTS]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def nothing_is_left(cache: Path) -> bool:
    return [path for path in cache.rglob("*") if path.suffix != ".lock" and path != cache / "unpacked"] == []


@pytest.mark.parametrize("name", ["set.tar.gz", "set.tgz", "set.tar", "set.tar.xz", "a.b.TAR.GZ"])
def test_it_is_unpacked_once(write_tar: Write, cache: Path, name: str) -> None:
    path = write_tar(MEMBERS, name)
    assert is_tar(path)
    seen: list[tuple[int, int]] = []
    folder = unpacked(path, lambda *progress: seen.append(progress))
    assert contents(folder) == MEMBERS
    assert folder.parent == cache / "unpacked"
    assert folder.name.startswith(name[: name.lower().index(".t")])
    assert seen[-1] == (100_003, 100_003)
    assert unpacked(path, lambda *progress: pytest.fail("again")) == folder


def test_a_folder_is_its_own(tmp_path: Path) -> None:
    assert unpacked(tmp_path) == tmp_path
    assert not is_tar(tmp_path / "x.zip")


def test_a_changed_archive_is_unpacked_anew(write_tar: Write) -> None:
    before = unpacked(write_tar({"a": b"1"}, "set.tar"))
    path = write_tar({"a": b"2"}, "set.tar")  # of the same size
    os.utime(path, ns=(1, 1))
    after = unpacked(path)
    assert (contents(before), contents(after)) == ({"a": b"1"}, {"a": b"2"})


def test_folders_and_an_empty_archive(write_tar: Write) -> None:
    folder = tarfile.TarInfo()
    folder.type, folder.mode = tarfile.DIRTYPE, 0
    again = tarfile.TarInfo()
    again.type = tarfile.DIRTYPE
    place = unpacked(write_tar([("./", folder), ("./x", again), ("x/y", b"1"), ("x/", again)]))
    assert contents(place) == {"x/y": b"1"}
    assert contents(unpacked(write_tar({}, "none.tar"))) == {}


@pytest.mark.parametrize(
    "name",
    ["/tmp/evil", "../evil", "set/../../evil", "set/..", "..\\evil", "C:\\evil", "C:evil", "\\\\host\\evil", "//evil"],
)
def test_a_name_that_leads_out(write_tar: Write, cache: Path, tmp_path: Path, name: str) -> None:
    path = write_tar([("set/good", b"good"), (name, b"evil")])
    with pytest.raises(DataError) as told:
        unpacked(path)
    assert str(told.value).startswith(f"{path}: is not unpacked, because of its member ")
    assert f'"{name}": its name leads out' in str(told.value)
    assert nothing_is_left(cache)
    assert list(tmp_path.rglob("*evil*")) == []


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "it is a link"),
        (tarfile.LNKTYPE, "it is a link"),
        (tarfile.CHRTYPE, "it is a device"),
        (tarfile.BLKTYPE, "it is a device"),
        (tarfile.GNUTYPE_SPARSE, "it is a device or another special file"),
        (tarfile.FIFOTYPE, "it is a device or another special file"),
    ],
)
def test_what_is_neither_file_nor_folder(write_tar: Write, cache: Path, kind: bytes, said: str) -> None:
    entry = tarfile.TarInfo()
    entry.type, entry.linkname = kind, "set/good"
    with pytest.raises(DataError, match=f'"set/bad": {said}'):
        unpacked(write_tar([("set/good", b"good"), ("set/bad", entry), ("set/bad/through", b"")]))
    assert nothing_is_left(cache)


@pytest.mark.parametrize(
    "names", [("a", "a"), ("a", "./a"), ("x/a", "x//a"), ("a", "a/b"), ("a/b", "a"), ("a/b/c", "a")]
)
def test_two_members_for_one_name(write_tar: Write, cache: Path, names: tuple[str, str]) -> None:
    with pytest.raises(DataError, match="another member has its name"):
        unpacked(write_tar([(name, b"1") for name in names]))
    assert nothing_is_left(cache)


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]


def wrong_header(data: bytes) -> bytes:
    """The second member's header no header: tarfile alone would take that for the end."""
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    assert plain[1024:1036] == b"set/a/2.txt\0"
    return gzip.compress(plain[:1024] + b"?" * 512 + plain[1536:])


@pytest.mark.parametrize("damage", [cut, flip, wrong_header, lambda data: b"", lambda data: b"<html>" * 1000])
@pytest.mark.parametrize("name", ["set.tar.gz", "set.tar.xz", "set.tar"])
def test_a_damaged_archive(write_tar: Write, cache: Path, damage: Callable[[bytes], bytes], name: str) -> None:
    if name == "set.tar" and damage is flip:
        pytest.skip("a bare tar has no checksum of its files")
    path = write_tar(MEMBERS, name)
    data = path.read_bytes() if damage is not wrong_header else write_tar(MEMBERS, "x.tar").read_bytes()
    path.write_bytes(damage(data))
    with pytest.raises(DataError, match="is no tar archive, or is damaged or cut short") as told:
        unpacked(path)
    assert "\n" not in str(told.value)
    assert nothing_is_left(cache)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.tar: cannot be read: No such file"):
        unpacked(tmp_path / "x.tar")


def test_more_than_there_is_room_for(write_tar: Write, cache: Path, tmp_path: Path) -> None:
    entry = tarfile.TarInfo("zeros")
    entry.size = 1 << 60
    path = tmp_path / "huge.tar"
    path.write_bytes(entry.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(DataError, match="damaged or cut short"):
        unpacked(path)
    path = write_tar({"a": b"1" * 5000})
    free = type("Usage", (), {"free": 4999})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.shutil, "disk_usage", lambda folder: free)
        with pytest.raises(DataError, match=r"cannot be .*: it needs 5,000 bytes, and 4,999 are free; make room"):
            unpacked(path)
    assert nothing_is_left(cache)


def test_a_disk_that_fills_up_and_a_killed_unpacking_leave_nothing(
    write_tar: Write, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tar(MEMBERS)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_copied", full)
        with pytest.raises(DataError, match=f"{path}: cannot be unpacked in .*No space left on device; make room"):
            unpacked(path)
    assert nothing_is_left(cache)
    with monkeypatch.context() as patch:  # as a kill would leave it
        patch.setattr(module.shutil, "rmtree", lambda *arguments, **options: None)
        patch.setattr(module, "_copied", full)
        with pytest.raises(DataError):
            unpacked(path)
    assert not nothing_is_left(cache)
    assert contents(unpacked(path)) == MEMBERS
    assert len([entry for entry in (cache / "unpacked").iterdir() if entry.is_dir()]) == 1


def test_two_at_once(write_tar: Write, cache: Path) -> None:
    path, places = write_tar(MEMBERS), []
    threads = [threading.Thread(target=lambda: places.append(unpacked(path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(places)) == 1
    assert len(places) == 4
    assert contents(places[0]) == MEMBERS


# --- unpacked files that are damaged later --------------------------------------------------------------------------


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "set" / "b" / "3.txt").unlink(),
        lambda folder: (folder / "set" / "a" / "1.txt").write_bytes(b"longer"),
        lambda folder: (folder / "set" / "a" / "1.txt").write_bytes(b"two"),
        lambda folder: (folder / module.CONTENTS).unlink(),
        lambda folder: (folder / module.CONTENTS).write_text("[3]"),
        lambda folder: (folder / module.CONTENTS).write_text('{"x": 3}'),
    ],
)
def test_a_damaged_file_is_noticed_once_in_each_process(
    write_tar: Write, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], object], large: bool
) -> None:
    path, said = write_tar(MEMBERS), list[str]()
    if large:  # only sizes are compared
        monkeypatch.setattr(module, "VERIFIED_BYTES", 0)
    folder = unpacked(path)
    damage(folder)
    assert unpacked(path, say=said.append) == folder
    assert said == [], "this process has verified it"
    module._verified.clear()
    same_size = (folder / "set" / "a" / "1.txt").read_bytes() == b"two"
    assert unpacked(path, say=said.append) == folder
    if large and same_size:
        assert said == []
        return
    (message,) = said
    assert message.startswith(str(folder))
    assert message.endswith(f": is damaged; {path} is unpacked again")
    assert contents(folder) == MEMBERS


def test_an_added_file_is_refused_and_kept(write_tar: Write) -> None:
    folder = unpacked(path := write_tar(MEMBERS))
    (folder / "set" / "c").mkdir()
    added = folder / "set" / "c" / "1.png"
    for hidden in (folder / ".DS_Store", added.with_name("Thumbs.db")):
        hidden.write_bytes(b"1")
    module._verified.clear()
    assert unpacked(path) == folder
    added.write_bytes(b"1")
    module._verified.clear()
    for _ in range(2):
        with pytest.raises(DataError, match=f"^{added}: was added to the unpacked files of {path}; move it away, or"):
            unpacked(path)
    added.unlink()
    assert unpacked(path) == folder


def test_a_member_may_have_the_name_of_our_own_file(write_tar: Write) -> None:
    path = write_tar({module.CONTENTS: b"1", "a": b"2"})
    folder = unpacked(path)
    module._verified.clear()
    assert unpacked(path, say=lambda text: pytest.fail(text)) == folder
    assert contents(folder) == {"a": b"2"}
