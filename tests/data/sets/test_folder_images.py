"""Images in a folder: of any format, mode and size, and damaged ones."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from image_files import BLUE, RED, fill, packed_as, source
from PIL import Image

from cganzoo.data.cache import packed
from cganzoo.data.sets.folder import FolderSource
from cganzoo.errors import DataError


def pixels(root: Path, channels: int = 3, size: int = 4) -> list[list[int]]:
    """The colour of each packed training image, which is one colour all over."""
    images = packed(source(root), name="folder", image_size=size, channels=channels)["train"].images
    assert (np.ptp(images, axis=(2, 3)) <= 2).all(), "one colour all over"
    return [[round(float(value)) for value in image.mean(axis=(1, 2))] for image in images]


def failures(found: FolderSource) -> list[DataError]:
    """What packing every image raises; anything but a DataError would end the test."""
    errors = []
    for split, labels in found.labels().items():
        for pixels in found.pixels_of(split, range(len(labels)), 4, 3):
            if isinstance(pixels, DataError):
                errors.append(pixels)
            else:
                assert pixels is not None
                assert (pixels.shape, pixels.dtype) == ((3, 4, 4), np.uint8)
    return errors


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
        assert sentence.endswith('; repair or remove it, or set data.unreadable = "skip" to leave such files out')
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
        f'{bad}: {NO_PICTURES[name]}; repair or remove it, or set data.unreadable = "skip" to leave such files out'
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
    with pytest.raises(DataError, match=r'^train split: class "b" has no readable image; the first unreadable one: '):
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


def test_postscript_under_an_images_name_is_not_run(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png")
    (tmp_path / "a" / "0.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    found = source(tmp_path, test_fraction=0.01)
    told = [str(error) for error in failures(found)]
    assert told == [
        f"{tmp_path / 'a' / '0.png'}: is not an image; repair or remove it, "
        'or set data.unreadable = "skip" to leave such files out'
    ]
