"""The files below a folder, and what a folder and a zip archive have in common."""

from __future__ import annotations

import errno
import os
import time
import zipfile
from pathlib import Path

import pytest
from image_files import FILES, contents, write_zip

from cganzoo.data.tree import FolderTree, open_tree
from cganzoo.errors import DataError


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


# --- what both kinds have in common ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folder", "stored", "deflated"])
def test_names_and_bytes_are_those_that_were_written(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "set"
    if kind == "folder":
        write_folder(path, FILES)
    else:
        write_zip(path, FILES, zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED)
    tree = open_tree(str(path))
    assert contents(tree) == FILES
    assert tree.where("a/1.png") == str(path / "a" / "1.png")
    with pytest.raises(FileNotFoundError):
        tree.read("a/2.png")


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    files = {"a/1.png": b"1"}
    hidden = {".x.png": b"", "a/.y.png": b"", ".git/z.png": b"", "a/.cache/z.png": b""}
    folder = open_tree(write_folder(tmp_path / "folder", files | hidden))
    archive = open_tree(write_zip(tmp_path / "set.zip", files | hidden | {"__MACOSX/a/._1.png": b""}))
    assert contents(folder) == contents(archive) == files
    assert "a/" in folder.names
    assert not any("MACOSX" in name for name in archive.names)


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_tree(tmp_path / "missing")
    assert (
        str(caught.value)
        == f'data.root = "{tmp_path}/missing": no such folder or zip archive; name one that holds the set'
    )


# --- folders --------------------------------------------------------------------------------------------------------


def test_a_folders_fingerprint_changes_with_any_file(tmp_path: Path) -> None:
    write_folder(tmp_path, FILES)
    seen = [open_tree(tmp_path).fingerprint()]
    assert open_tree(tmp_path).fingerprint() == seen[0]
    (tmp_path / "a" / "new.png").touch()
    seen.append(open_tree(tmp_path).fingerprint())
    (tmp_path / "a" / "new.png").rename(tmp_path / "a" / "newer.png")
    seen.append(open_tree(tmp_path).fingerprint())
    os.utime(tmp_path / "a" / "1.png", ns=(1, 1))
    seen.append(open_tree(tmp_path).fingerprint())
    (tmp_path / "a" / "1.png").write_bytes(b"longer")
    os.utime(tmp_path / "a" / "1.png", ns=(1, 1))
    seen.append(open_tree(tmp_path).fingerprint())
    assert len(set(seen)) == len(seen)


def test_folders_alike_have_fingerprints_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of equal names and sizes, and written within one tick of the clock."""
    monkeypatch.setattr("cganzoo.data.tree._size_and_times", lambda entry: (1, 1, 1))
    prints = [open_tree(write_folder(tmp_path / name, {"a/1.png": name.encode()})).fingerprint() for name in "12"]
    assert prints[0] != prints[1]
    (tmp_path / "link").symlink_to(tmp_path / "1")
    assert open_tree(tmp_path / "link").fingerprint() == prints[0], "one folder, by another name"


def test_a_file_that_is_dated_back_changes_the_fingerprint(tmp_path: Path) -> None:
    write_folder(tmp_path, FILES)
    os.utime(tmp_path / "a" / "1.png", ns=(1, 1))
    before = open_tree(tmp_path).fingerprint()
    time.sleep(0.05)  # the clock that dates files is coarse
    (tmp_path / "a" / "1.png").write_bytes(b"eno" * 1000)
    os.utime(tmp_path / "a" / "1.png", ns=(1, 1))
    assert open_tree(tmp_path).fingerprint() != before


def test_a_link_to_itself_is_told(tmp_path: Path) -> None:
    write_folder(tmp_path, FILES)
    (tmp_path / "a" / "loop").symlink_to("loop")
    with pytest.raises(DataError) as caught:
        open_tree(tmp_path).fingerprint()
    loop = tmp_path / "a" / "loop"
    assert str(caught.value) == f"{loop}: cannot be read: {os.strerror(errno.ELOOP)}"


def test_a_folder_can_go_by_another_name(tmp_path: Path) -> None:
    tree = FolderTree(write_folder(tmp_path, FILES), Path("set.tar"))
    assert contents(tree) == FILES
    assert tree.where("a/1.png") == str(Path("set.tar/a/1.png"))


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    write_folder(tmp_path / "elsewhere", {"1.png": b"1"})
    write_folder(tmp_path / "set", {"a/2.png": b"2"})
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "a" / "circle").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "nowhere.png").symlink_to(tmp_path / "missing")
    tree = open_tree(tmp_path / "set")
    assert sorted(name for name in tree.names if not name.endswith("/")) == [
        "a/2.png",
        "a/circle",
        "linked/1.png",
        "nowhere.png",
    ], "a link in a circle is no folder, as a link to nothing is none"
    assert tree.read("linked/1.png") == b"1"
    with pytest.raises(OSError, match="No such file"):
        tree.read("nowhere.png")


def test_a_folder_that_may_not_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path, FILES)
    listed = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("nested"):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError) as caught:
        open_tree(tmp_path).fingerprint()
    assert str(caught.value) == f"{tmp_path / 'a' / 'nested'}: cannot be read: Permission denied"
