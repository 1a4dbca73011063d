"""One image to a square of pixels: which part, which way up, and how it is scaled."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from cganzoo.data.pixels import square, square_of_pixels

RANDOM = np.random.default_rng(0)


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width, channels), np.uint8)


def test_an_image_of_the_right_size_keeps_every_pixel() -> None:
    pixels = noise(8, 8)
    np.testing.assert_array_equal(square(Image.fromarray(pixels), 8, 3), pixels.transpose(2, 0, 1))
    np.testing.assert_array_equal(square(Image.fromarray(pixels[:, :, 0]), 8, 1), pixels[None, :, :, 0])


@pytest.mark.parametrize(("height", "width", "rows", "columns"), [(8, 13, (0, 8), (2, 10)), (11, 8, (1, 9), (0, 8))])
def test_the_centre_is_kept(height: int, width: int, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    pixels = noise(height, width)
    np.testing.assert_array_equal(
        square(Image.fromarray(pixels), 8, 3), pixels[slice(*rows), slice(*columns)].transpose(2, 0, 1)
    )


@pytest.mark.parametrize("factor", [2, 3, 4, 16, 17, 50])
@pytest.mark.parametrize("level", [None, 0, 255])
def test_whole_factors_average_areas_and_round_once(factor: int, level: int | None) -> None:
    side = 8 * factor
    pixels = noise(side, side + 6) if level is None else np.full((side, side + 6, 3), level, np.uint8)
    blocks = pixels[:, 3 : side + 3].astype(int).reshape(8, factor, 8, factor, 3)
    expected = np.floor(blocks.mean((1, 3)) + 0.5).astype(np.uint8).transpose(2, 0, 1)
    np.testing.assert_array_equal(square(Image.fromarray(pixels), 8, 3), expected, strict=True)
    np.testing.assert_array_equal(square(Image.fromarray(pixels[:, :, 1]), 8, 1), expected[1:2], strict=True)
    np.testing.assert_array_equal(square(Image.fromarray(pixels[:, :, 1]), 8, 3), expected[[1, 1, 1]], strict=True)


def test_four_pixels_average_as_the_papers_authors_do() -> None:
    pixels = noise(64, 64)
    a, b, c, d = (pixels[i::2, j::2].astype(np.uint16) for i in (0, 1) for j in (0, 1))
    expected = ((a + b + c + d + 2) >> 2).astype(np.uint8).transpose(2, 0, 1)
    np.testing.assert_array_equal(square(Image.fromarray(pixels), 32, 3), expected, strict=True)


@pytest.mark.parametrize("shape", [(1, 24, 30), (3, 24, 30), (3, 31, 16), (1, 8, 8), (3, 1, 1)])
@pytest.mark.parametrize("size", [8, 5, 1])
@pytest.mark.parametrize("channels", [1, 3])
def test_decoded_pixels_are_treated_like_an_image(shape: tuple[int, ...], size: int, channels: int) -> None:
    pixels = RANDOM.integers(0, 256, shape, np.uint8)
    image = Image.fromarray(pixels[0] if shape[0] == 1 else pixels.transpose(1, 2, 0).copy())
    expected = square(image, size, channels)
    assert expected.shape == (channels, size, size)
    np.testing.assert_array_equal(square_of_pixels(pixels, size, channels), expected, strict=True)


def test_other_factors_are_antialiased_and_enlarging_is_smooth() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (21, 10))[:, :20]
    shrunk = square(Image.fromarray(stripes), 8, 1).astype(int)
    assert np.abs(shrunk[:, 1:-1, 1:-1] - 127).max() < 60, "a sampled pixel would be black or white"
    ramp = np.repeat(np.array([[0, 255]], np.uint8), 2, axis=0)
    enlarged = square(Image.fromarray(ramp), 8, 1)[0].astype(int)
    assert (np.diff(enlarged, axis=1) >= 0).all()
    assert len(np.unique(enlarged)) > 3


def test_a_long_strip_is_cropped_before_it_is_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = []
    resize = Image.Image.resize

    def watched(self: Image.Image, size: tuple[int, int], *args: object, **options: object) -> Image.Image:
        largest.append(max(size))
        return resize(self, size, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "resize", watched)
    assert square(Image.new("RGB", (1, 60_000), "red"), 64, 3).shape == (3, 64, 64)
    assert max(largest) == 64, "scaled whole, it would have 245 million pixels"


@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_shown_as_pillow_shows_it(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(noise(8, 8)).save(file, "png", exif=exif)
    image = Image.open(file)
    expected = np.asarray(ImageOps.exif_transpose(image)).transpose(2, 0, 1)
    np.testing.assert_array_equal(square(image, 8, 3), expected)


@pytest.mark.parametrize(
    ("tags", "turned"),
    [
        # The header is broken: nothing can be said of the orientation.
        ("4d4da62a00000008000101120003000000010006000000000000", False),
        # Turned, with a text of a type that Pillow cannot write back.
        (
            "4d4d002a00000008000201120003000000010006000001320005000000010000002600000000000000480000000100000048",
            True,
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_tags_spoil_no_image(tags: str, turned: bool) -> None:
    pixels = noise(8, 8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", exif=b"Exif\0\0" + bytes.fromhex(tags))
    image = Image.open(file)
    with pytest.raises(Exception):  # noqa: B017, PT011 - what Pillow's own raises is of no interest
        ImageOps.exif_transpose(image)
    expected = np.rot90(pixels, -1) if turned else pixels
    np.testing.assert_array_equal(square(image, 8, 3), expected.transpose(2, 0, 1))


def test_sixteen_bits_keep_the_upper_byte() -> None:
    deep = (np.arange(64, dtype=np.uint16) * 1024 + 255).reshape(8, 8)
    np.testing.assert_array_equal(square(Image.fromarray(deep), 8, 1)[0], deep >> 8)
    np.testing.assert_array_equal(square(Image.fromarray(deep.astype(np.int32)), 8, 3)[2], deep >> 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_floats_are_refused(channels: int) -> None:
    """Pillow would round them: a picture in [0, 1] would be black."""
    image = Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8))
    with pytest.raises(ValueError, match="a float image has no agreed range of values; save it with 8 or 16 bits"):
        square(image, 8, channels)


def test_a_mode_that_cannot_be_converted_is_refused() -> None:
    with pytest.raises(ValueError, match="conversion from LAB"):
        square(Image.new("LAB", (8, 8)), 8, 1)


def test_what_is_transparent_is_white() -> None:
    pixels = noise(8, 8, 4)
    alpha = pixels[:, :, 3:] / 255
    expected = (pixels[:, :, :3] * alpha + 255 * (1 - alpha)).transpose(2, 0, 1)
    assert np.abs(square(Image.fromarray(pixels, "RGBA"), 8, 3) - expected).max() <= 1
