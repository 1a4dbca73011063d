"""Tiny-ImageNet from archives and folders in the official layout, in miniature."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from cganzoo.data.cache import ImageSet, packed
from cganzoo.data.sets.specs import TinyImageNetConfig
from cganzoo.data.sets.tinyimagenet import TinyImageNetSource
from cganzoo.errors import DataError

IDS = ("n02", "n10", "n01")
"""As listed: not sorted."""

TRAIN, VAL = 4, 2  # images of a class
NAMES = ("goldfish", "crane", "n10")
"""In the order of the labels; "n10" has another name, which "n02" would share."""


def source(root: Path, grayscale: Literal["keep", "drop"] = "keep") -> TinyImageNetSource:
    return TinyImageNetSource(TinyImageNetConfig(root=str(root), grayscale=grayscale))


def pack(root: Path, grayscale: Literal["keep", "drop"] = "keep", size: int = 32) -> dict[str, ImageSet]:
    return packed(source(root, grayscale), name="tinyimagenet", image_size=size, channels=3)


def picture(level: int, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (level, level, level)).convert(mode).save(file, "jpeg", quality=100)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An unpacked set. The level of gray tells an image's class; the first of each class is stored without colour."""
    root = tmp_path / "tiny-imagenet-200"
    files: dict[str, bytes] = {
        "wnids.txt": "".join(f"{name}\n" for name in IDS).encode(),
        "words.txt": b"n00\tentity\nn01\tgoldfish, Carassius auratus\nn02\tcrane\nn03\tpine\nn10\tblack stork, bird\n",
    }
    annotations = []
    for class_id in IDS:
        level = 20 * int(class_id[1:])
        files[f"train/{class_id}/{class_id}_boxes.txt"] = b"a table"
        for i in range(TRAIN):
            files[f"train/{class_id}/images/{class_id}_{i}.JPEG"] = picture(level, "RGB" if i else "L")
    for i in range(VAL * len(IDS)):
        class_id = IDS[i % 3]
        files[f"val/images/val_{i}.JPEG"] = picture(20 * int(class_id[1:]), "RGB" if i >= 3 else "L")
        annotations.append(f"val_{i}.JPEG\t{class_id}\t0\t32\t44\t62\n")
    files["val/val_annotations.txt"] = "".join(annotations).encode()
    files["test/images/test_0.JPEG"] = picture(255)
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def zipped(folder: Path, top: str = "tiny-imagenet-200/") -> Path:
    path = folder.parent / f"tiny-{len(top)}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, top + file.relative_to(folder).as_posix())
    return path


def rearranged(folder: Path) -> Path:
    """Validation images moved to folders of their classes."""
    for line in (folder / "val" / "val_annotations.txt").read_text().splitlines():
        file, class_id = line.split("\t")[:2]
        (folder / "val" / class_id / "images").mkdir(parents=True, exist_ok=True)
        (folder / "val" / "images" / file).rename(folder / "val" / class_id / "images" / file)
    (folder / "val" / "images").rmdir()
    return folder


@pytest.mark.parametrize(
    "arrange",
    [
        lambda folder: folder,
        lambda folder: folder.parent,
        zipped,
        lambda folder: zipped(folder, ""),
        rearranged,
        lambda folder: zipped(rearranged(folder)),
    ],
    ids=["folder", "above", "archive", "archive without a folder", "rearranged", "archive of rearranged"],
)
def test_every_arrangement_gives_the_same_set(folder: Path, arrange: Callable[[Path], Path]) -> None:
    splits = pack(arrange(folder))
    assert splits["train"].class_names == ("goldfish", "crane", "black stork")
    assert splits.keys() == {"train", "test"}
    for split, count in (("train", TRAIN), ("test", VAL)):
        labels, images = splits[split].labels, splits[split].images
        assert labels.tolist() == [label for label in range(3) for _ in range(count)], "in the order of sorted ids"
        assert images.shape == (3 * count, 3, 32, 32)
        levels = np.array([20, 40, 200])[labels]
        assert np.abs(images.astype(int) - levels[:, None, None, None]).max() <= 1
        assert splits[split].left_out == 0


def test_a_name_that_two_classes_would_share_is_given_to_neither(folder: Path) -> None:
    words = folder / "words.txt"
    words.write_text(words.read_text().replace("black stork", "crane"))
    assert source(folder).class_names == ("goldfish", "n02", "n10")


def test_a_class_without_words_keeps_its_id(folder: Path) -> None:
    (folder / "words.txt").write_text("n01\tgoldfish\n")
    assert source(folder).class_names == ("goldfish", "n02", "n10")


def test_images_without_colour_are_left_out_when_told_so(folder: Path) -> None:
    kept, dropped = pack(folder), pack(folder, "drop")
    assert np.bincount(kept["train"].labels).tolist() == [TRAIN] * 3
    assert np.bincount(dropped["train"].labels).tolist() == [TRAIN - 1] * 3
    assert np.bincount(dropped["test"].labels).tolist() == [VAL - 1] * 3
    assert (dropped["train"].left_out, dropped["test"].left_out) == (3, 3)
    assert dropped["train"].skipped == ()
    again = pack(folder, "drop")
    assert (again["train"].left_out, again["train"].fingerprint) == (3, dropped["train"].fingerprint)
    np.testing.assert_array_equal(dropped["train"].images[:3], kept["train"].images[1:4])


def test_four_pixels_become_one(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    file = folder / "train" / "n01" / "images" / "n01_0.JPEG"
    Image.fromarray(noise).save(file)
    stored = np.asarray(Image.open(file)).astype(int)
    mean = (stored[::2, ::2] + stored[::2, 1::2] + stored[1::2, ::2] + stored[1::2, 1::2] + 2) >> 2
    np.testing.assert_array_equal(pack(folder)["train"].images[0], mean.transpose(2, 0, 1))
    np.testing.assert_array_equal(pack(folder, size=64)["train"].images[0], stored.transpose(2, 0, 1))


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        source(root).labels()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_not_the_set_is_named(folder: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.zip"
    assert refusal(missing) == f'data.root = "{missing}": no such folder or zip archive; name one that holds the set'
    other = tmp_path / "other"
    shutil.copytree(folder / "train", other)
    assert refusal(other) == (
        f'{other}: holds no "wnids.txt"; name the official archive tiny-imagenet-200.zip or the folder that it was '
        'unpacked to, or, for images in class folders, set data.name = "folder"'
    )


def test_what_is_missing_or_contradicts_is_named(folder: Path) -> None:
    annotations = folder / "val" / "val_annotations.txt"
    text = annotations.read_text()
    annotations.write_text(text.replace("n02", "n77"))
    assert (
        refusal(folder)
        == f"{folder / 'val/images/val_0.JPEG'}: no file of the set names its class; download the set again"
    )
    annotations.write_text(text.replace("val_3.JPEG\t", "val_9.JPEG\t"))
    assert (
        refusal(folder)
        == f"{folder / 'val/images/val_3.JPEG'}: no file of the set names its class; download the set again"
    )
    annotations.write_text(text)
    (folder / "val" / "images" / "val_1.JPEG").unlink()
    assert refusal(folder) == (
        f"{folder / 'val/images/val_1.JPEG'}: is missing; val/val_annotations.txt lists it: get the set again"
    )
    annotations.unlink()
    assert refusal(folder) == f"{annotations}: is missing; get the set again"
    shutil.rmtree(folder / "val")
    assert refusal(folder) == f"{folder / 'val'}: holds no image; get the set again"
    shutil.rmtree(folder / "train" / "n10")
    assert refusal(folder) == (
        f"{folder / 'train/n10'}: this class, which wnids.txt lists, has no image; get the set again"
    )


def test_a_damaged_image_is_named_in_an_archive(folder: Path) -> None:
    file = folder / "train" / "n01" / "images" / "n01_1.JPEG"
    file.write_bytes(file.read_bytes()[:300])
    path = zipped(folder)
    with pytest.raises(DataError) as caught:
        pack(path)
    assert str(caught.value).startswith(
        f"{path / 'tiny-imagenet-200/train/n01/images/n01_1.JPEG'}: cannot be decoded ("
    )


# --- validation images in two places, and tables that other programs wrote ------------------------------------------


@pytest.fixture
def copied(folder: Path) -> Path:
    """Validation images copied to folders of their classes."""
    for line in (folder / "val" / "val_annotations.txt").read_text().splitlines():
        file, class_id = line.split("\t")[:2]
        (folder / "val" / class_id / "images").mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "val" / "images" / file, folder / "val" / class_id / "images" / file)
    return folder


@pytest.mark.parametrize("annotations", [True, False])
def test_copied_images_are_used_once(copied: Path, annotations: bool) -> None:
    if not annotations:
        (copied / "val" / "val_annotations.txt").unlink()
        (copied / "val" / "images" / "val_0.JPEG").unlink()
    for root in (copied, zipped(copied)):
        labels = source(root).labels() if annotations or root == copied else {"test": np.repeat(np.arange(3), VAL)}
        assert np.bincount(labels["test"]).tolist() == [VAL] * 3


def test_images_that_are_copied_in_part_are_all_used(copied: Path) -> None:
    shutil.rmtree(copied / "val" / "n02")
    assert np.bincount(source(copied).labels()["test"]).tolist() == [VAL] * 3


def test_a_class_folder_that_contradicts_the_annotations_is_refused(copied: Path) -> None:
    (copied / "val" / "n02" / "images" / "val_0.JPEG").rename(copied / "val" / "n10" / "images" / "val_0.JPEG")
    assert refusal(copied) == (
        f"{copied / 'val' / 'n10'}: holds val_0.JPEG, and val/val_annotations.txt says that its class is n02; get the "
        "set again"
    )
    (copied / "val" / "val_annotations.txt").unlink()
    shutil.copy(copied / "val" / "n10" / "images" / "val_0.JPEG", copied / "val" / "n01" / "images" / "val_0.JPEG")
    assert "val_0.JPEG: is also in the folder of class n01; remove one of the two" in refusal(copied)


@pytest.mark.parametrize("table", ["val/val_annotations.txt", "wnids.txt", "words.txt"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"  \n"),
        lambda text: text.replace(b"\n", b"\t \n"),
        lambda text: text.replace(b"\n", b"\n\n") + b"\n \n",
        lambda text: text.decode().encode("utf-16"),
    ],
)
def test_tables_may_have_marks_and_blanks(folder: Path, table: str, change: Callable[[bytes], bytes]) -> None:
    (folder / table).write_bytes(change((folder / table).read_bytes()))
    found = source(folder)
    assert found.class_names == ("goldfish", "crane", "black stork")
    assert np.bincount(found.labels()["test"]).tolist() == [VAL] * 3
