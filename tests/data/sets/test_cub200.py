"""CUB-200-2011 from an archive in the official format."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cganzoo.config import ArchiveConfig
from cganzoo.data.sets.cub200 import CUB200Source
from cganzoo.errors import DataError

pytestmark = pytest.mark.usefixtures("cache")

Write = Callable[..., Path]
Members = dict[str, bytes]
TOP = "CUB_200_2011"


def write_folder(folder: Path, members: Members) -> Path:
    for name, content in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_zip(file: Path, members: Members) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


@pytest.mark.parametrize("form", ["tgz", "above", "folder", "zip"])
def test_images_classes_and_splits(cub200_members: Members, write_tar: Write, tmp_path: Path, form: str) -> None:
    if form == "tgz":
        root = write_tar(cub200_members, "CUB_200_2011.tgz")
    elif form == "zip":
        root = write_zip(tmp_path / "cub.zip", cub200_members)
    else:
        root = write_folder(tmp_path / "set", cub200_members) / (TOP if form == "folder" else "")
    source = CUB200Source(ArchiveConfig(root=str(root)))
    assert source.class_names == ("Black_footed_Albatross", "Laysan_Albatross")
    labels = source.labels()
    assert {split: part.tolist() for split, part in labels.items()} == {
        "train": [0, 0, 0, 1, 1, 1],
        "test": [0, 0, 1, 1],
    }
    sizes = {split: [source.read(split, index).width for index in range(len(part))] for split, part in labels.items()}
    assert sizes == {"train": [41, 42, 43, 46, 47, 48], "test": [44, 45, 49, 50]}


def test_names_keep_their_numbers_where_they_tell_classes_apart(cub200_members: Members, tmp_path: Path) -> None:
    cub200_members[f"{TOP}/classes.txt"] = b"1 001.Tern\n2 002.Tern\n"
    source = CUB200Source(ArchiveConfig(root=str(write_folder(tmp_path, cub200_members))))
    assert source.class_names == ("001.Tern", "002.Tern")


@pytest.mark.parametrize(
    ("table", "content", "said"),
    [
        ("images.txt", None, 'data.root = ".*": holds no "images.txt"; name the official archive'),
        ("classes.txt", None, r"classes\.txt: is missing; get the set again"),
        ("classes.txt", b"", r"classes\.txt: is not a table"),
        ("classes.txt", b"1\n", r"classes\.txt: is not a table"),
        ("images.txt", b"1 001.x/gone.jpg\n", r"gone\.jpg: is missing; images\.txt lists it"),
        ("images.txt", b"1 ../../attributes.txt\n", r"attributes\.txt: is missing"),
        ("image_class_labels.txt", b"1 1\n", r"image_class_labels\.txt: has no valid entry for image 2"),
        ("image_class_labels.txt", b"1 7\n", r"image_class_labels\.txt: has no valid entry for image 1"),
        ("train_test_split.txt", b"1 1\n", r"train_test_split\.txt: has no valid entry for image 2"),
        ("train_test_split.txt", b"1 yes\n", r"train_test_split\.txt: has no valid entry for image 1"),
    ],
)
def test_what_is_wrong_with_the_tables(
    cub200_members: Members, tmp_path: Path, table: str, content: bytes | None, said: str
) -> None:
    folder = write_folder(tmp_path / "set", cub200_members)
    if content is None:
        (folder / TOP / table).unlink()
    else:
        (folder / TOP / table).write_bytes(content)
    with pytest.raises(DataError, match=said):
        CUB200Source(ArchiveConfig(root=str(folder))).labels()


def test_what_is_wrong_in_an_archive_is_told_of_the_archive(cub200_members: Members, write_tar: Write) -> None:
    del cub200_members[f"{TOP}/classes.txt"]
    root = write_tar(cub200_members, "CUB_200_2011.tgz")
    with pytest.raises(DataError, match=f"^{root}/{TOP}/classes.txt: is missing; get the set again$"):
        CUB200Source(ArchiveConfig(root=str(root))).labels()


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    for name in ("CUB.tgz", "CUB"):
        (tmp_path / name).write_text("<html>")
        with pytest.raises(DataError, match=f"{name}: "):
            CUB200Source(ArchiveConfig(root=str(tmp_path / name)))
