"""A folder of images: whatever people keep in one is read right, or named in one sentence."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_files import BLUE, RED, fill, packed_as, source
from PIL import Image

from cganzoo.data.cache import packed
from cganzoo.data.sets.folder import FolderSource
from cganzoo.data.sets.specs import FolderConfig
from cganzoo.errors import DataError


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        source(root).labels()
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- which files are read -------------------------------------------------------------------------------------------


def test_classes_are_the_folders_sorted_whatever_their_names(tmp_path: Path) -> None:
    names = ["10", "9", "Äpfel", "école", "日本", "with space"]
    fill(tmp_path, *(f"{name}/{image}" for name in names for image in ("é 1.png", "b.JPG", "nested/er/c.webp")))
    found = source(tmp_path, test_fraction=0.5)
    assert found.class_names == tuple(sorted(names))
    labels = found.labels()
    assert sorted([*labels["train"].tolist(), *labels["test"].tolist()]) == [k for k in range(6) for _ in range(3)]


def test_hidden_files_other_files_and_programs_are_left_alone(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "a/2.png", "a/.hidden.png", ".git/x.png")
    for name in ("notes.txt", "Thumbs.db", "labels.h5", "figure.eps", "paper.pdf", "clip.mpg", "no_ending"):
        (tmp_path / "a" / name).write_text("no image")
    (tmp_path / "README.md").write_text("no class")
    found = source(tmp_path)
    assert found.class_names == ("a",)
    assert sum(len(labels) for labels in found.labels().values()) == 2


def test_train_and_test_folders_are_the_split(tmp_path: Path) -> None:
    fill(tmp_path, "train/a/1.png", "train/b/1.png", "train/b/2.png", color=RED)
    fill(tmp_path, "val/b/1.png", color=BLUE)
    splits = packed(source(tmp_path), name="folder", image_size=4, channels=3)
    assert splits["train"].labels.tolist() == [0, 1, 1]
    assert splits["test"].labels.tolist() == [1]
    assert splits["train"].images[:, 0].min() == splits["test"].images[:, 2].min() == 255


def test_a_file_of_such_a_name_is_no_folder(tmp_path: Path) -> None:
    fill(tmp_path / "1", "a/1.png", "a/2.png", "b/1.png")
    (tmp_path / "1" / "train").write_text("a list of files")
    assert source(tmp_path / "1").class_names == ("a", "b")
    fill(tmp_path / "2", "train/a/1.png", "train/a/2.png", "train/b/1.png")
    (tmp_path / "2" / "test").write_text("a list of files")
    assert source(tmp_path / "2").class_names == ("a", "b")


def test_a_share_of_each_class_is_held_out_the_same_one_each_time(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{name}/{i}.png" for name in "ab" for i in range(10)), "c/only.png")
    first, again = (source(tmp_path, test_fraction=0.3) for _ in range(2))
    assert first.labels()["test"].tolist() == [0] * 3 + [1] * 3
    assert first.labels()["train"].tolist() == [0] * 7 + [1] * 7 + [2], "a class of one image is trained on"
    assert first._files == again._files
    assert not set(first._files["train"]) & set(first._files["test"])


def test_fingerprint_changes_with_a_file_its_name_and_its_class(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "a/2.png", "b/1.png")
    seen = [source(tmp_path).fingerprint()]
    assert source(tmp_path).fingerprint() == seen[0]
    changes: list[Callable[[], object]] = [
        lambda: fill(tmp_path, "b/2.png"),
        lambda: (tmp_path / "a/1.png").rename(tmp_path / "a/3.png"),
        lambda: (tmp_path / "a/3.png").rename(tmp_path / "b/3.png"),
        lambda: os.utime(tmp_path / "b/3.png", ns=(1, 1)),
    ]
    for change in changes:
        change()
        seen.append(source(tmp_path).fingerprint())
    seen.append(source(tmp_path, test_fraction=0.2).fingerprint())
    assert len(set(seen)) == len(seen)


# --- what is refused ------------------------------------------------------------------------------------------------


def test_folders_that_hold_no_set_are_named(tmp_path: Path) -> None:
    missing, empty, flat = tmp_path / "missing", tmp_path / "empty", tmp_path / "flat"
    empty.mkdir()
    fill(flat, "1.png")
    assert refusal(missing) == (f'data.root = "{missing}": no such folder or zip archive; name one that holds the set')
    no_class = "holds no class; put the images of each class into a folder of its own"
    assert refusal(empty) == f"{empty}: {no_class}"
    assert refusal(flat) == f"{flat}: {no_class}"
    assert refusal(fill(flat, "train/1.png")) == f"{flat / 'train'}: {no_class}"


def test_a_class_without_images_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "a/2.png")
    (tmp_path / "b" / "nested").mkdir(parents=True)
    (tmp_path / "b" / "notes.txt").touch()
    assert refusal(tmp_path) == (
        f"{tmp_path / 'b'}: this class's folder holds no image; add some, or remove the folder"
    )


def test_a_class_that_is_only_tested_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "train/a/1.png", "test/a/1.png", "test/z/1.png")
    assert refusal(tmp_path) == (
        f'{tmp_path / "test"}: class "z" is not in {tmp_path / "train"}; add training images of it there, or move this '
        "class away"
    )


def test_a_set_with_nothing_to_hold_out_is_refused(tmp_path: Path) -> None:
    assert refusal(fill(tmp_path, "a/1.png", "b/1.png")).startswith(
        f"{tmp_path}: each class holds one image, so none can be held out to test on; add some"
    )


# --- a folder of a user's own, and the same as an archive ------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Three classes of whatever people have, with all that can be wrong in one."""
    root = tmp_path / "mine"
    for name in ("Ä pfel", "b", "日本"):
        fill(root, *(f"{name}/good{i}.{ending}" for i in range(3) for ending in ("png", "jpg")))
    images = {
        "Ä pfel/nested/er/rgba.png": Image.new("RGBA", (9, 7), (*RED, 0)),
        "Ä pfel/gray.jpg": Image.new("L", (8, 8), 100),
        "Ä pfel/gray.png": Image.new("L", (8, 8), 100),
        "b/deep.png": Image.fromarray(np.full((8, 8), 100 * 256 + 9, np.uint16)),
        "b/cmyk.jpg": Image.new("CMYK", (8, 8), (0, 255, 255, 0)),
        "b/one é.jpg": Image.new("RGB", (1, 1), BLUE),
        "b/one.png": Image.new("RGB", (1, 1), BLUE),
    }
    for name, image in images.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(root / name)
    Image.new("P", (8, 8), 0).save(root / "日本" / "keyed.png", transparency=0)
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = Image.new("RGB", (32, 16), BLUE)
    sideways.paste(RED, (0, 0, 16, 16))
    sideways.save(root / "日本" / "turned.jpg", exif=exif, quality=100, subsampling=0)
    (root / "日本" / "empty.jpg").touch()
    (root / "b" / "empty.png").touch()
    (root / "b" / "text.jpg").write_text("no image")
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    photo.save(root / "b" / "cut.jpg")
    (root / "b" / "cut.jpg").write_bytes((root / "b" / "cut.jpg").read_bytes()[:-400])
    (root / "notes.txt").write_text("no class")
    return root


OWN_COLOURS = {
    "rgba.png": (255, 255, 255),
    "gray.jpg": (100, 100, 100),
    "gray.png": (100, 100, 100),
    "deep.png": (100, 100, 100),
    "cmyk.jpg": RED,
    "one é.jpg": BLUE,
    "one.png": BLUE,
    "keyed.png": (255, 255, 255),
}
OWN_BAD = {
    "日本/empty.jpg": "is not an image",
    "b/empty.png": "is not an image",
    "b/text.jpg": "is not an image",
    "b/cut.jpg": "cannot be decoded (image file is truncated",
}


def zipped(root: Path, top: str = "") -> Path:
    path = root.with_name(f"mine-{len(top)}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(root.rglob("*")):
            archive.write(file, top + file.relative_to(root).as_posix())
    return path


FORMS: dict[str, Callable[[Path], Path]] = {
    "folder": lambda root: root,
    "folder above": lambda root: root.parent,
    "archive": zipped,
    "archive with a top folder": lambda root: zipped(root, "my pictures/"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_users_own_images_are_read_wherever_they_lie(own: Path, form: str) -> None:
    place = FORMS[form](own)
    found = source(place, "skip", 0.2)
    assert found.class_names == ("b", "Ä pfel", "日本")
    for name, colour in OWN_COLOURS.items():
        assert np.abs(packed_as(found, name, 4, 3).astype(int) - np.array(colour)[:, None, None]).max() <= 2, name
        luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
        assert np.abs(packed_as(found, name, 4, 1).astype(int) - luma).max() <= 2, name
    turned = packed_as(found, "turned.jpg", 4, 3).astype(int)
    assert np.abs(turned[:, :2] - np.array(RED)[:, None, None]).max() <= 2, "what was on the left is on top"
    assert np.abs(turned[:, 2:] - np.array(BLUE)[:, None, None]).max() <= 2
    splits = packed(found, name="folder", image_size=4, channels=3)
    labels = np.concatenate([split.labels for split in splits.values()])
    assert np.bincount(labels).tolist() == [6 + 4, 6 + 3, 6 + 2]
    told = sorted(splits["train"].skipped)
    assert len(told) == len(OWN_BAD)
    for name, reason in OWN_BAD.items():
        (sentence,) = [sentence for sentence in told if Path(name).name in sentence]
        assert sentence.startswith(str(place))
        assert f"{name}: {reason}".replace("/", os.sep) in sentence
        assert "\n" not in sentence


@pytest.mark.parametrize("form", FORMS)
def test_a_users_bad_image_is_told_with_what_to_do(own: Path, form: str) -> None:
    with pytest.raises(DataError) as caught:
        packed(source(FORMS[form](own)), name="folder", image_size=4, channels=3)
    sentence = str(caught.value)
    assert any(f"{name}: {reason}".replace("/", os.sep) in sentence for name, reason in OWN_BAD.items())
    assert sentence.endswith('; repair or remove it, or set data.unreadable = "skip" to leave such files out')


def test_train_and_test_folders_are_found_in_an_archive(tmp_path: Path) -> None:
    root = fill(tmp_path / "mine", "train/a/1.png", "train/b/1.png", "valid/b/1.png", "valid/b/2.png")
    for path in (zipped(root), zipped(root, "deeper/")):
        found = source(path)
        assert {split: labels.tolist() for split, labels in found.labels().items()} == {
            "train": [0, 1],
            "test": [1, 1],
        }


def test_the_order_of_an_archives_members_is_of_no_importance(tmp_path: Path) -> None:
    root = fill(tmp_path / "mine", *(f"{name}/{i}.png" for name in "ab" for i in range(9)))
    path = tmp_path / "mine.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*.png"), reverse=True):
            archive.write(file, file.relative_to(root).as_posix())
    assert source(path)._files == source(root)._files


def test_a_single_class_is_a_class_and_not_a_folder_around_the_set(tmp_path: Path) -> None:
    assert source(fill(tmp_path / "1", "a/1.png", "a/2.png", "a/b/1.png")).class_names == ("a",)
    assert source(fill(tmp_path / "2", "a/b/1.png", "a/b/2.png")).class_names == ("b",), "a holds nothing but a folder"
    assert source(fill(tmp_path / "3", "a/b/1.png", "a/c/2.png", "a/c/3.png")).class_names == ("b", "c")
    assert source(fill(tmp_path / "4", "train/b/1.png", "train/b/2.png", "train/c/2.png")).class_names == ("b", "c")
    assert source(fill(tmp_path / "5", "train/b/1.png", "train/b/2.png")).class_names == ("b",)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    path = zipped(fill(tmp_path / "mine", "a/1.png", "a/2.png", "b/1.png", "b/2.png"))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert (
        refusal(path)
        == f"{path}: is cut short: the end of the zip archive is missing or damaged; copy or download it again"
    )
    hurt = bytearray(data)
    hurt[60] ^= 255  # in the first image
    path.write_bytes(hurt)
    with pytest.raises(DataError) as caught:
        packed(source(path), name="folder", image_size=4, channels=3)
    assert str(caught.value).startswith(
        f"{path / 'a' / '1.png'}: is damaged in the archive; copy or download that again"
    )


def test_gray_images_are_left_out_when_told_so(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "a/2.png", "a/3.png", "b/1.png", "b/2.png")
    Image.new("L", (6, 6), 9).save(tmp_path / "a" / "gray.png")
    keeping, dropping = (FolderConfig(root=str(tmp_path), grayscale=choice) for choice in ("keep", "drop"))
    kept, dropped = (
        packed(FolderSource(config), name="folder", image_size=4, channels=3) for config in (keeping, dropping)
    )
    assert sum(len(split.labels) for split in kept.values()) == 6
    assert sum(len(split.labels) for split in dropped.values()) == 5
    assert sum(split.left_out for split in dropped.values()) == 1


def test_large_images_are_read_a_few_at_a_time_and_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    colors = [(20 * number, 0, 0) for number in range(10)]
    for number, color in enumerate(colors):
        fill(tmp_path, f"train/a/{number}.png", f"test/a/{number}.png", color=color)
    (tmp_path / "train" / "a" / "4.png").write_bytes(b"nothing")
    whole = source(tmp_path, "skip").pixels_of("train", range(10), 4, 3)
    monkeypatch.setattr("cganzoo.data.file_source.READ_BYTES", 1)
    apart = source(tmp_path, "skip").pixels_of("train", range(10), 4, 3)
    assert isinstance(apart[4], DataError)
    assert isinstance(whole[4], DataError)
    for number in {*range(10)} - {4}:
        np.testing.assert_array_equal(apart[number], whole[number])
        assert np.asarray(apart[number])[0].mean() == colors[number][0]
