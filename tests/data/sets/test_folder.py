"""A folder of images: whatever people keep in one is read right, or named in one sentence."""

from __future__ import annotations

import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from cganzoo.data.cache import packed
from cganzoo.data.pixels import square
from cganzoo.data.sets.config import FolderConfig
from cganzoo.data.sets.folder import FolderSource
from cganzoo.errors import DataError

RED, BLUE = (255, 0, 0), (0, 0, 255)


def source(root: Path, unreadable: Literal["stop", "skip"] = "stop", test_fraction: float = 0.1) -> FolderSource:
    return FolderSource(FolderConfig(root=str(root), unreadable=unreadable, test_fraction=test_fraction))


def fill(root: Path, *names: str, color: tuple[int, int, int] = RED) -> Path:
    """Plain images of 6x6 pixels."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 6), color).save(root / name)
    return root


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        source(root).labels()
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def pixels(root: Path, channels: int = 3, size: int = 4) -> list[list[int]]:
    """The colour of each packed training image, which is one colour all over."""
    images = packed(source(root), name="folder", image_size=size, channels=channels)["train"].images
    assert (np.ptp(images, axis=(2, 3)) <= 2).all(), "one colour all over"
    return [[round(float(value)) for value in image.mean(axis=(1, 2))] for image in images]


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


def test_postscript_under_an_images_name_is_not_run(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png")
    (tmp_path / "a" / "0.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    found = source(tmp_path, test_fraction=0.01)
    told = [str(error) for error in failures(found)]
    assert told == [
        f"{tmp_path / 'a' / '0.png'}: is not an image; mend or remove it, "
        'or set data.unreadable = "skip" to leave such files out'
    ]


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
    assert refusal(missing) == (
        f'data.root = "{missing}": no such folder or zip archive; name one that holds a folder of images for each class'
    )
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
    assert refusal(tmp_path) == f'{tmp_path / "test"}: class "z" is not in {tmp_path / "train"}'


def test_a_set_with_nothing_to_hold_out_is_refused(tmp_path: Path) -> None:
    assert refusal(fill(tmp_path, "a/1.png", "b/1.png")).startswith(
        f"{tmp_path}: each class holds one image, so none can be held out to test on; add some"
    )


# --- what is in a file ----------------------------------------------------------------------------------------------


def test_every_mode_is_read_as_the_colour_it_shows(tmp_path: Path) -> None:
    folder = fill(tmp_path, "train/x/0.png", "test/x/0.png") / "train" / "x"
    Image.new("RGBA", (6, 6), (*RED, 128)).save(folder / "1_rgba.png")
    Image.new("LA", (6, 6), (0, 0)).save(folder / "2_clear.png")
    Image.new("L", (6, 6), 100).save(folder / "3_gray.png")
    Image.fromarray(np.full((6, 6), 100 * 256 + 7, np.uint16)).save(folder / "4_gray16.png")
    Image.new("CMYK", (6, 6), (0, 255, 255, 0)).save(folder / "5_cmyk.jpg", quality=100)
    Image.new("RGB", (6, 6), BLUE).convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "6_palette.gif")
    Image.new("1", (6, 6), 1).save(folder / "7_bits.png")
    Image.new("P", (6, 6), 0).save(folder / "8_keyed.png", transparency=0)
    expected = [
        [255, 0, 0],
        [255, 127, 127],
        [255, 255, 255],
        [100, 100, 100],
        [100, 100, 100],
        [255, 0, 0],
        [0, 0, 255],
        [255, 255, 255],
        [255, 255, 255],
    ]
    assert np.abs(np.subtract(pixels(tmp_path), expected)).max() <= 1
    luma = [round(0.299 * red + 0.587 * green + 0.114 * blue) for red, green, blue in expected]
    assert [value for (value,) in pixels(tmp_path, channels=1)] == pytest.approx(luma, abs=1)


def test_sizes_from_one_pixel_to_long_strips_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "x"
    folder.mkdir(parents=True)
    for index, size in enumerate([(1, 1), (1, 3000), (3000, 2), (5, 7), (4, 4), (64, 64)]):
        Image.new("RGB", size, RED).save(folder / f"{index}.png")
    fill(tmp_path, "test/x/1.png")
    assert pixels(tmp_path) == [[255, 0, 0]] * 6


def test_a_photograph_taken_sideways_is_turned_upright(tmp_path: Path) -> None:
    turned = Image.new("RGB", (16, 16), "white")
    turned.paste("black", (0, 0, 8, 16))  # dark on the left, as stored
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise: dark on top
    fill(tmp_path, "a/2.png")
    turned.save(tmp_path / "a" / "1.jpg", exif=exif)
    found = source(tmp_path, test_fraction=0.01)
    image = packed_as(found, "1.jpg", 4, 1)[0]
    assert image[:2].max() < 20
    assert image[2:].min() > 235


def packed_as(found: FolderSource, name: str, size: int, channels: int) -> np.ndarray:
    """The file as it is packed, and the same through Pillow alone."""
    ((split, index),) = [
        (split, index)
        for split, names in found._files.items()
        for index, file in enumerate(names)
        if Path(file).name == name
    ]
    pixels, image = found.pixels(split, index, size, channels), found.read(split, index)
    assert pixels is not None
    assert image is not None
    np.testing.assert_array_equal(pixels, square(image, size, channels))
    return pixels


def failures(found: FolderSource) -> list[DataError]:
    """What packing every image raises; anything but a DataError would end the test."""
    errors = []
    for split, labels in found.labels().items():
        for index in range(len(labels)):
            try:
                pixels = found.pixels(split, index, 4, 3)
            except DataError as error:
                errors.append(error)
            else:
                assert pixels is not None
                assert (pixels.shape, pixels.dtype) == ((3, 4, 4), np.uint8)
    return errors


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Good images, and among them some that cannot be read."""
    fill(tmp_path, *(f"{name}/good{i}.png" for name in "ab" for i in range(4)))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a" / "whole.jpg")
    data = (tmp_path / "a" / "whole.jpg").read_bytes()
    (tmp_path / "a" / "truncated.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "a" / "empty.png").touch()
    (tmp_path / "b" / "text.jpg").write_text("no image at all")
    (tmp_path / "b" / "link.png").symlink_to(tmp_path / "nowhere.png")
    Image.fromarray(noise).save(tmp_path / "b" / "format.dds")
    header = bytearray((tmp_path / "b" / "format.dds").read_bytes())
    header[80:84] = bytes(4)  # no pixel format that there is: Pillow's NotImplementedError
    (tmp_path / "b" / "format.dds").write_bytes(header)
    return tmp_path


BAD = {"truncated.jpg", "empty.png", "text.jpg", "link.png", "format.dds"}


def test_damaged_images_are_named_with_what_to_do(damaged: Path) -> None:
    told = [str(error) for error in failures(source(damaged))]
    assert {Path(sentence.partition(": ")[0]).name for sentence in told} == BAD
    for sentence in told:
        assert sentence.endswith('; mend or remove it, or set data.unreadable = "skip" to leave such files out')
    with pytest.raises(DataError) as caught:
        packed(source(damaged), name="folder", image_size=4, channels=3)
    assert str(caught.value) in told


@pytest.fixture
def unconvertible(tmp_path: Path) -> Path:
    """Good images, and two that decode but cannot be turned gray."""
    fill(tmp_path, *(f"{split}/{name}/good{i}.png" for split in ("train", "test") for name in "ab" for i in range(3)))
    Image.new("LAB", (6, 6)).save(tmp_path / "train" / "a" / "lab.tif")
    Image.fromarray(np.full((6, 6), 0.5, np.float32)).save(tmp_path / "train" / "b" / "float.tif")
    return tmp_path


NO_PICTURES = {
    "lab.tif": "cannot be made into pixels (conversion from LAB to RGB not supported)",
    "float.tif": "cannot be made into pixels (a float image has no agreed range of values; save it with 8 or 16 bits)",
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_images_that_are_no_pictures_are_named_with_what_to_do(unconvertible: Path, name: str) -> None:
    bad, other = sorted(unconvertible.rglob("*.tif"), key=lambda path: path.name != name)
    other.unlink()
    with pytest.raises(DataError) as caught:
        packed(source(unconvertible), name="folder", image_size=4, channels=1)
    assert str(caught.value) == (
        f'{bad}: {NO_PICTURES[name]}; mend or remove it, or set data.unreadable = "skip" to leave such files out'
    )


def test_images_that_are_no_pictures_are_left_out_when_told_so(unconvertible: Path) -> None:
    train = packed(source(unconvertible, "skip"), name="folder", image_size=4, channels=1)["train"]
    assert np.bincount(train.labels).tolist() == [3, 3]
    assert (train.images == 76).all(), "only good ones, whose red is this gray"
    folder = unconvertible / "train"
    assert train.skipped == tuple(
        f"{folder / place / name}: {reason}" for place, (name, reason) in zip("ab", NO_PICTURES.items(), strict=True)
    )


def test_damaged_images_are_left_out_only_when_told_so(damaged: Path) -> None:
    for _ in range(2):  # packed, and read again
        splits = packed(source(damaged, "skip"), name="folder", image_size=4, channels=3)
        labels = np.concatenate([split.labels for split in splits.values()])
        assert np.bincount(labels).tolist() == [4 + 1, 4]
        for split in splits.values():
            assert {Path(sentence.partition(": ")[0]).name for sentence in split.skipped} == BAD
            assert "data.unreadable" not in " ".join(split.skipped)
    with pytest.raises(DataError, match=r"data\.unreadable"):
        packed(source(damaged), name="folder", image_size=4, channels=3)


def test_a_class_whose_every_image_is_damaged_is_refused_even_when_skipping(damaged: Path) -> None:
    for file in (damaged / "b").glob("good*.png"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match=r'^train split: class "b" has no readable image; the first that is not: '):
        packed(source(damaged, "skip"), name="folder", image_size=4, channels=3)


@pytest.mark.filterwarnings("ignore")
def test_no_damage_is_answered_by_anything_but_a_sentence(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8))
    chance = random.Random(0)
    for ending in ("png", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "jp2", "ico", "tga", "ppm", "pcx"):
        path = fill(tmp_path, f"{ending}/good0.png", f"{ending}/good1.png") / ending / f"whole.{ending}"
        noise.save(path)
        data = path.read_bytes()
        for index in range(12):
            hurt = bytearray(data[: chance.randrange(len(data))] if index % 3 == 0 else data)
            for _ in range(1 + len(hurt) // 40):
                if hurt:
                    hurt[chance.randrange(min(len(hurt), 400))] = chance.randrange(256)
            path.with_name(f"hurt{index}.{ending}").write_bytes(hurt)
    errors = failures(source(tmp_path))
    assert len(errors) > 40
    assert all(str(error).startswith(str(tmp_path)) and ".hurt" not in str(error) for error in errors)
    assert not any("good" in str(error) or "whole" in str(error) for error in errors)


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
    assert sentence.endswith('; mend or remove it, or set data.unreadable = "skip" to leave such files out')


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
    assert source(fill(tmp_path / "1", "a/1.png", "a/2.png", "a/b/1.png", "a/c/1.png")).class_names == ("a",)
    assert source(fill(tmp_path / "2", "a/b/1.png", "a/b/2.png")).class_names == ("a",)
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
