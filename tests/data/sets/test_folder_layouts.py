"""Arrangements of class folders: read right or refused, in a folder as in an archive."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from image_files import fill, source

from cganzoo.data.layout.splits import split_kind, split_kinds
from cganzoo.data.sets.folder import FolderSource
from cganzoo.data.sets.specs import FolderConfig
from cganzoo.errors import DataError

Found = dict[str, dict[str, int]]
"""Split to class to number of images."""

PNG = b"\x89PNG"  # layouts are recognised by names alone

IMAGES: Found = {"train": {"images": 1}, "test": {"images": 1}}
CLASSES = ("cat/1", "cat/2", "dog/1", "dog/2", "dog/3")
ANIMALS: Found = {"train": {"cat": 1, "dog": 2}, "test": {"cat": 1, "dog": 1}}  # a part of each class is held out
SPLIT: Found = {"train": {"cat": 2, "dog": 1}, "test": {"cat": 1, "dog": 1}}


def split(train: str, test: str, top: str = "") -> list[str]:
    """Files of a set with two splits."""
    return [
        f"{top}{train}/cat/1",
        f"{top}{train}/cat/2",
        f"{top}{train}/dog/1",
        f"{top}{test}/cat/9",
        f"{top}{test}/dog/9",
    ]


def as_folder(root: Path, names: list[str]) -> Path:
    for name in names:
        file = root / (name if "." in name.rpartition("/")[2] else f"{name}.png")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(PNG)
    return root


def as_zip(root: Path, names: list[str]) -> Path:
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name if "." in name.rpartition("/")[2] else f"{name}.png", PNG)
    return path


@pytest.fixture(params=[as_folder, as_zip])
def arranged(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[list[str]], FolderSource]:
    """A set with these files, as a folder and as an archive."""
    return lambda names: source(request.param(tmp_path / "set", names))


def found(of: FolderSource) -> Found:
    return {
        name: {of.class_names[label]: labels.tolist().count(label) for label in sorted(set(labels.tolist()))}
        for name, labels in of.labels().items()
    }


def below(top: str, names: tuple[str, ...] | list[str] = CLASSES) -> list[str]:
    return [f"{top}/{name}" for name in names]


READ: dict[str, tuple[list[str], Found]] = {
    "one level deeper": (below("animals"), ANIMALS),
    "two levels deeper": (below("archive/animals"), ANIMALS),
    "six levels deeper": (below("a/b/c/d/e/f"), ANIMALS),
    "a picture next to the first level": ([*below("archive/animals"), "cover"], ANIMALS),
    "a picture next to the second level": ([*below("archive/animals"), "archive/cover"], ANIMALS),
    "a picture next to the classes": ([*below("animals"), "animals/cover"], ANIMALS),
    "a folder without images next to it": ([*below("archive/animals"), "docs/read.txt"], ANIMALS),
    "system folders": (
        [*CLASSES, "@eaDir/cat/1", "cat/@eaDir/1", "__MACOSX/cat/._1", "#recycle/x/1", "$RECYCLE.BIN/1", "lost+found/1",
         "cat/.ipynb_checkpoints/1", "dog/Thumbs.db", "System Volume Information/x/1"],
        ANIMALS,
    ),
    "only train": (below("Train"), ANIMALS),
    "ImageNet": (
        [*split("train", "val", "ILSVRC/Data/CLS-LOC/"), "ILSVRC/Data/CLS-LOC/test/1", "ILSVRC/ImageSets/a.txt",
         "ILSVRC/Annotations/train/cat/1.xml"],
        SPLIT,
    ),
    "a split's folder twice": ([*split("seg_train/seg_train", "seg_test/seg_test"), "seg_pred/seg_pred/1"], SPLIT),
    "classes with a folder of images": (
        ["cat/images/1", "cat/images/2", "dog/images/1", "dog/images/2", "dog/images/3"], ANIMALS
    ),
    "classes with sub-folders": (["cat/1", "cat/old/2", "dog/1", "dog/2", "dog/new/3"], ANIMALS),
    "images and masks": (
        ["cat/images/1", "cat/masks/1", "cat/images/2", "cat/masks/2", "dog/images/1", "dog/images/2", "dog/images/3",
         "dog/masks/1"],
        ANIMALS,
    ),
    "splits inside classes": (
        ["cat/train/1", "cat/train/2", "cat/test/1", "dog/train/1", "dog/test/1", "dog/val/1"], SPLIT
    ),
    "test images without classes": ([*below("train"), "test/1", "test/2"], ANIMALS),
    "validation and test": ([*split("train", "test"), "val/cat/1", "val/dog/1"], SPLIT),
    "unlabelled images": ([*split("train", "test"), "unlabeled/1"], SPLIT),
    "images and masks of a set": (["images/1", "images/2", "masks/1", "masks/2"], IMAGES),
    "images and masks of each split": (
        ["train/images/1", "train/masks/1", "test/images/1", "test/masks/1"],
        {"train": {"images": 1}, "test": {"images": 1}},
    ),
    "images and annotations of each class": (
        [*below("images"), "annotations/trimaps/1", "annotations/list.txt"], ANIMALS
    ),
    "Pascal VOC": (
        ["JPEGImages/1", "JPEGImages/2", "SegmentationClass/1", "SegmentationObject/1", "Annotations/1.xml",
         "ImageSets/Main/train.txt"],
        {"train": {"JPEGImages": 1}, "test": {"JPEGImages": 1}},
    ),
    "classes named mask and no_mask": (
        ["mask/1", "mask/2", "no_mask/1", "no_mask/2"],
        {"train": {"mask": 1, "no_mask": 1}, "test": {"mask": 1, "no_mask": 1}},
    ),
    "classes named masks and gloves": (
        ["gloves/1", "gloves/2", "masks/1", "masks/2"],
        {"train": {"gloves": 1, "masks": 1}, "test": {"gloves": 1, "masks": 1}},
    ),
    "documents next to the set": ([*below("animals"), "docs/screenshot"], ANIMALS),
    "a preview next to the set": ([*below("archive/animals"), "archive/preview/1"], ANIMALS),
    "documents next to the splits": ([*split("train", "test", "set/"), "docs/1"], SPLIT),
    "unlabelled images next to the set": ([*below("set"), "unlabeled/1"], ANIMALS),
    "unlabelled images next to the classes": ([*CLASSES, "unlabeled/1", "unlabeled/2"], ANIMALS),
    "unlabelled test images in a folder": ([*below("train"), "test/test/1"], ANIMALS),
    "unlabelled test images and validation": ([*split("train", "val"), "test/unknown/1"], SPLIT),
    "Tiny-ImageNet": (
        ["train/cat/images/1", "train/cat/images/2", "train/dog/images/1", "train/dog/images/2", "train/dog/images/3",
         "val/images/1", "test/images/1", "wnids.txt"],
        ANIMALS,
    ),
    "numbered classes that are no buckets": (
        ["00000/00000_00000", "00000/00000_00001", "00001/00000_00000", "00001/00000_00001"],
        {"train": {"00000": 1, "00001": 1}, "test": {"00000": 1, "00001": 1}},
    ),
    "a class named train": (
        ["bus/1", "bus/2", "train/1", "train/2"], {"train": {"bus": 1, "train": 1}, "test": {"bus": 1, "train": 1}}
    ),
    "a class named test": (
        ["control/1", "control/2", "test/1", "test/2"],
        {"train": {"control": 1, "test": 1}, "test": {"control": 1, "test": 1}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", READ)
def test_an_arrangement_is_read_right(arranged: Callable[[list[str]], FolderSource], shape: str) -> None:
    names, expected = READ[shape]
    assert found(arranged(names)) == expected


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Train", "Test"), ("TRAIN", "TEST"), ("training", "testing"), ("Training", "Validation"), ("trn", "tst"),
        ("train_set", "test_set"), ("training_set", "dev"), ("trainset", "testset"), ("train-images", "val-images"),
        ("train images", "test images"), ("images_train", "images_test"), ("train", "valid"), ("train", "eval"),
        ("train2017", "val2017"), ("train", "Test Set"), ("1_train", "2_test"), ("flowers_train", "flowers_test"),
        ("training data", "test data"), ("train", "tests"),
    ],
)  # fmt: skip
def test_splits_by_the_names_that_people_use(tmp_path: Path, train: str, test: str) -> None:
    assert found(source(as_folder(tmp_path, split(train, test)))) == SPLIT
    assert found(source(as_folder(tmp_path / "deeper", split(train, test, "archive/")))) == SPLIT


def test_names_that_are_no_splits() -> None:
    for name in ("trainer", "testimony", "devil", "cat", "images", "value", "evaluate", "train station", "test tube"):
        assert split_kind(name) is None, name
    assert split_kinds(["train station", "test tube"]) == {}


def test_a_name_is_matched_in_little_time() -> None:
    for part in ("data", "set", "img", "imgs", "1", "_", "dataset", "train"):
        assert split_kind(part * 60 + "x") is None


SAME = "all hold the same folders"
REFUSED: dict[str, tuple[list[str], str]] = {
    "two folders of training images": (
        [*split("train", "test"), *below("Training")], '"Training" and "train" both mean the train split; keep one'
    ),
    "two folders of test images": ([*split("train", "test"), *below("testing")], '"test" and "testing" mean the same'),
    "an unknown folder next to train": (
        [*below("train"), *below("holdback")], r'holds "train", named as a split, and holdback, which is no known name'
    ),
    "a flat unknown folder next to train": ([*below("train"), "more/1"], "holds \"train\", named as a split, and more"),
    "unlabelled images alone": (["train/1", "train/2", "unlabeled/1"], "train: holds no class"),
    "images of one split and others": (["train_images/1", "more/1", "more/2"], "named as a split, and more"),
    "no training images": ([*below("test"), *below("val")], 'holds "test" and "val", named as splits, but no train'),
    "only test images": (below("test"), 'holds "test", named as a split, but no train folder'),
    "two levels of classes": (["2019/cat/1", "2019/dog/1", "2020/cat/1", "2020/dog/1"], SAME),
    "one class below each": (["2019/cat/1", "2019/cat/2", "2020/cat/1", "2020/cat/2"], SAME),
    "groups of classes": (
        ["animals/cat/1", "animals/dog/1", "plants/rose/1", "plants/fern/1"],
        r"its folders \(animals, plants\) hold no images but more folders \(cat, dog\)",
    ),
    "the set twice": ([*CLASSES, *below("animals")], 'the class "cat" is also a folder of its own'),
    "splits and classes in classes": (["cat/train/1", "cat/1", "dog/1", "dog/2"], "holds folders named as splits"),
    "a class with and without a split": (["cat/train/1", "cat/test/1", "dog/1"], "holds folders named as splits"),
    "more pictures next to the classes": ([*CLASSES, *(f"{i}" for i in range(9))], "holds 9 images next to its"),
    "a folder of pictures and folders": (
        ["a/1", "a/2", "a/3", "a/cat/1", "a/dog/1"], "holds 3 images and folders .cat, dog. with 2, so it is"
    ),
    "flat": (["1", "2"], "holds no class"),
    "flat splits": (["train/1", "test/1"], "train: holds no class"),
    "a class of the test images alone": ([*split("train", "test"), "test/owl/1"], 'class "owl" is not in'),
    "splits of two domains": (
        ["trainA/1", "trainB/1", "testA/1", "testB/1"], '"trainA" and "trainB" both mean the train split'
    ),
    "two versions of a set with splits": (
        [*split("train", "test", "128px/"), *split("train", "test", "256px/")],
        r"its folders .128px, 256px. each hold splits with folders of images .cat, dog in 128px/test",
    ),
    "a copy of a set with splits": (
        [*split("train", "val", "dataset/"), *split("train", "val", "dataset (1)/")], "each hold splits with folders of"
    ),
    "Cityscapes": (
        [f"{top}/{of}/{city}/1" for top in ("gtFine", "leftImg8bit") for of in ("train", "val") for city in ("a", "b")],
        r"each hold splits.*(data.root|its folder) .*leftImg8bit",
    ),
    "kinds with splits of classes": (
        ["cars/train/sedan/1", "cars/train/suv/1", "bikes/train/bmx/1", "bikes/train/mtb/1"],
        "each hold splits with folders of images",
    ),
    "a group of classes and a class": (
        [*below("animals"), "car/1", "car/2"], r"the folder animals holds no images but folders .cat, dog., and"
    ),
    "one class in each part": (
        ["part1/cat/1", "part2/dog/1"], r"its folders .part1, part2. hold no images but more folders .cat."
    ),
    "masks and two folders of images": (["images/1", "photos/1", "masks/1"], "holds masks, which are no photographs"),
    "FFHQ": (
        ["00000/00000", "00000/00001", "01000/01000", "01000/01999"], "hold images by their numbers, 1,000 in each"
    ),
    "img2dataset": (["00000/000000000", "00000/000000001", "00001/000010000"], "hold images by their numbers, 10,000"),
    "StyleGAN without its labels": (
        ["00000/img00000000", "00000/img00000999", "00001/img00001000"], r'add its dataset.json, or one with {"labels"'
    ),
    "images of another format": (["cat/1.heic", "dog/1.HEIC"], "holds no image of a format that is read, but 2 .heic"),
    "a class of another format": ([*CLASSES, "owl/1.heic"], "owl: holds no image of a format that is read"),
    "packed images": (["data/train-00000.parquet", "README.md"], "holds no image files, but 1 .parquet, which are not"),
    "splits of each class": (
        ["cat_train/1", "cat_test/1", "dog_train/1", "dog_test/1"], '"cat_train" and "dog_train" both mean the train'
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(arranged: Callable[[list[str]], FolderSource], shape: str) -> None:
    names, said = REFUSED[shape]
    with pytest.raises(DataError, match=said) as caught:
        arranged(names).labels()
    assert "\n" not in str(caught.value)


# --- what is said ---------------------------------------------------------------------------------------------------


def test_the_layout_is_one_line(tmp_path: Path) -> None:
    names = [*split("Train", "Test", "archive/animals/"), "archive/animals/val/cat/1", "archive/cover",
             "archive/animals/Train/cat/3.HEIC", "archive/animals/Train/dog/4.heic", "archive/readme.txt"]  # fmt: skip
    of = source(as_folder(tmp_path, names))
    assert of.layout() == (
        "train from archive/animals/Train/; test from archive/animals/Test/; classes from folders; 2 levels down, in "
        "archive/animals/; left out: 2 images and 3 other files (2 .heic, 1 .txt)"
    )
    assert of.notes() == (
        "archive/animals/val/ is left out (1 image), as Test/ holds the test images",
        "2 files were left out, as this format is not read: 2 .heic; convert them to PNG or JPEG to use them",
    )


def test_nothing_is_noted_of_an_ordinary_set(tmp_path: Path) -> None:
    of = source(as_folder(tmp_path, list(CLASSES)))
    assert of.notes() == ()
    assert of.layout() == (
        "train from the top folder; test from 0.1 of each class, held out; classes from folders; nothing left out"
    )


@pytest.mark.parametrize(
    ("names", "note"),
    [
        ([*CLASSES, "cover"], r"1 image next to the class folders is left out, such as .*cover\.png"),
        ([*below("train"), "test/1"], r"test/ holds no classes and is left out \(1 image\)"),
        (
            ["cat/1", "dog/terrier/1", "dog/terrier/2", "cat/2"],
            'the class "dog" has no images of its own',
        ),
        ([*split("train", "test"), "new/1"], r"left out, as no split: new \(1 image\)"),
        (
            ["images/1", "images/2", "masks/1"],
            r"left out, as they hold no photographs by their names: masks \(1 image\)",
        ),
        (["images/1", "images/2", "labels/1.txt"], r"left out, as they hold no .*: labels \(no images\)"),
        ([*below("animals"), "docs/1"], r"left out, as only animals holds classes: docs \(1 image\)"),
        ([*CLASSES, "unlabeled/1"], r"left out, as no classes: unlabeled \(1 image\)"),
        ([*below("train"), "test/test/1"], r"test/ holds no classes and is left out \(1 image\)"),
        ([*below("train"), "test/images/1", "wnids.txt"], 'set data.name = "tinyimagenet" to use its validation'),
        (
            ["00000/a", "00000/b", "01000/a", "01000/b"],
            r"the classes \(00000, 01000\) have names like folders of 1,000",
        ),
        (
            ["cat/1", "cat/1_mask", "cat/2", "dog/1", "dog/2"],
            "1 image of the classes may be masks by their names, such",
        ),
        (["Cat/1", "Cat/2", "cat/1", "cat/2"], 'the classes "Cat" and "cat" differ in case, blanks or the form'),
        (["L\xf6we/1", "L\xf6we/2", "Lo\u0308we/1"], "differ in case, blanks or the form of accents only"),
    ],
)
def test_what_a_user_must_know_is_noted(tmp_path: Path, names: list[str], note: str) -> None:
    assert any(re.search(note, said) for said in source(as_folder(tmp_path, names)).notes())


def test_buckets_may_be_chosen_as_classes(tmp_path: Path) -> None:
    root = as_folder(tmp_path, ["00000/00000", "00000/00001", "01000/01000", "01000/01001"])
    assert FolderSource(FolderConfig(root=str(root), labels="folders")).class_names == ("00000", "01000")


def test_a_link_in_a_circle_is_left_out_as_a_link_to_nothing_is(tmp_path: Path) -> None:
    as_folder(tmp_path, list(CLASSES))
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "nothing").symlink_to(tmp_path / "missing")
    of = source(tmp_path)
    assert found(of) == ANIMALS
    assert of.layout().endswith("left out: 2 other files (2 without ending)")


def test_a_control_code_in_the_name_of_a_class_is_refused(tmp_path: Path) -> None:
    for name in ("a\x1b[31mb", "a\nb"):
        root = fill(tmp_path / str(len(name)), f"{name}/1.png", f"{name}/2.png", "c/1.png")
        with pytest.raises(DataError, match="is not UTF-8, or has control characters; rename the class") as caught:
            source(root).labels()
        assert str(caught.value).isprintable()


def test_the_name_of_a_class_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "caf\udce9"
    try:
        folder.mkdir()
    except (OSError, UnicodeError):
        pytest.skip("this file system takes UTF-8 only")
    fill(tmp_path, "tea/1.png", "tea/2.png")
    for name in ("1.png", "2.png"):
        (tmp_path / "tea" / name).rename(folder / name)
    fill(tmp_path, "tea/1.png")
    with pytest.raises(DataError, match=r"caf\\udce9.* is not UTF-8") as caught:
        source(tmp_path).labels()
    assert str(caught.value).isprintable()
