"""ImageNet from its class folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cganzoo.data.cache import packed
from cganzoo.data.sets.folder import ImageNetSource
from cganzoo.data.sets.specs import ImageNetConfig
from cganzoo.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split, count in (("train", 3), ("val", 2)):
        for level, name in enumerate(("n01440764", "n01443537")):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (50 + i, 40), (100 * level, 0, 0)).save(folder / f"{name}_{i}.JPEG")
    (tmp_path / "test").mkdir()
    Image.new("RGB", (50, 40)).save(tmp_path / "test" / "ILSVRC2012_test_00000001.JPEG")
    return tmp_path


def test_validation_images_are_the_test_split(root: Path) -> None:
    splits = packed(ImageNetSource(ImageNetConfig(root=str(root))), name="imagenet", image_size=20, channels=3)
    assert splits["train"].class_names == ("n01440764", "n01443537")
    assert splits["train"].labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert splits["test"].labels.tolist() == [0, 0, 1, 1]
    assert np.abs(splits["train"].images[3:, 0].astype(int) - 100).max() <= 2


def test_what_is_missing_is_named(root: Path) -> None:
    missing = root / "missing"
    with pytest.raises(DataError) as caught:
        ImageNetSource(ImageNetConfig(root=str(missing)))
    assert str(caught.value) == (f'data.root = "{missing}": no such folder or zip archive; name one that holds the set')
    (root / "val").rename(root / "other")
    with pytest.raises(DataError) as caught:
        ImageNetSource(ImageNetConfig(root=str(root))).labels()
    assert str(caught.value) == (
        f"{root / 'val'}: holds no class; put the images of each class into a folder of its own"
    )


def test_the_folders_of_the_splits_have_their_usual_names(root: Path) -> None:
    for train, val in (("Train", "Val"), ("train", "validation"), ("training", "valid")):
        for kind, name in (("train", train), ("val", val)):
            (found,) = [folder for folder in root.iterdir() if folder.name.casefold().startswith(kind)]
            found.rename(root / name)
        labels = ImageNetSource(ImageNetConfig(root=str(root))).labels()
        assert [labels[split].tolist() for split in ("train", "test")] == [[0, 0, 0, 1, 1, 1], [0, 0, 1, 1]]
    shutil.copytree(root / "valid", root / "validation")
    with pytest.raises(DataError, match=r'"valid" and "validation" mean the same split; keep one, or name it "val"'):
        ImageNetSource(ImageNetConfig(root=str(root))).labels()


def test_a_damaged_image_stops_or_is_skipped(root: Path) -> None:
    damaged = root / "train" / "n01440764" / "n01440764_1.JPEG"
    damaged.write_bytes(damaged.read_bytes()[:100])
    with pytest.raises(DataError, match="cannot be decoded"):
        packed(ImageNetSource(ImageNetConfig(root=str(root))), name="imagenet", image_size=20, channels=3)
    skipping = ImageNetSource(ImageNetConfig(root=str(root), unreadable="skip"))
    train = packed(skipping, name="imagenet", image_size=20, channels=3)["train"]
    assert train.labels.tolist() == [0, 0, 1, 1, 1]
    assert len(train.skipped) == 1
