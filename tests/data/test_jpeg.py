"""JPEG by torchvision's decoder: the pixels are Pillow's, or the file is left to Pillow."""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from cganzoo.data import file_source
from cganzoo.data.file_source import decode_jpegs
from cganzoo.data.pixels import square, square_of_pixels


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Smooth colours and some noise, as photographs have."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), np.uint8)).resize((width, height))
    noise = random.integers(-20, 20, (height, width, 3))
    return Image.fromarray((np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8)).convert(mode)


def encode(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "jpeg", **options)
    return file.getvalue()


def decode(data: bytes) -> np.ndarray | None:
    (pixels,) = decode_jpegs([data])
    return pixels


def by_pillow(data: bytes) -> Image.Image:
    image: Image.Image = Image.open(io.BytesIO(data))
    image.load()
    return image


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def with_xmp(data: bytes) -> bytes:
    """Turned by Adobe's kind of tags."""
    segment = b"http://ns.adobe.com/xap/1.0/\0" + XMP
    return data[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:]


def plain() -> Iterator[bytes]:
    """Whatever kinds of JPEG are common."""
    for width, height in ((64, 64), (1, 1), (7, 64), (97, 33), (8, 3)):
        for mode in ("RGB", "L"):
            yield encode(picture(width, height, mode))
    for options in (
        {"quality": 100, "subsampling": "4:4:4"},
        {"quality": 30, "subsampling": "4:2:2"},
        {"quality": 10, "subsampling": "4:2:0", "optimize": True},
        {"progressive": True},
        {"restart_marker_blocks": 1},
        {"comment": b"a comment", "icc_profile": b"no profile" * 900},
        {"keep_rgb": True},
        *({"exif": oriented(number)} for number in (0, 1, 9)),
        {"exif": b"Exif\0\0damaged"},
    ):
        yield encode(picture(48, 32), **options)


@pytest.mark.parametrize("data", list(plain()))
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Image appears to be a malformed MPO")
def test_pixels_are_pillows(data: bytes) -> None:
    decoded = decode(data)
    assert decoded is not None
    for size, channels in ((8, 3), (5, 3), (8, 1), (16, 3), (100, 3)):
        np.testing.assert_array_equal(
            square_of_pixels(decoded, size, channels), square(by_pillow(data), size, channels), strict=True
        )


def test_an_image_that_its_tags_turn_is_left_to_pillow() -> None:
    image = picture(48, 32)
    for data in (*(encode(image, exif=oriented(number)) for number in range(2, 9)), with_xmp(encode(image))):
        assert decode(data) is None


def test_a_damaged_file_does_not_cost_the_others() -> None:
    good = [encode(picture(16, 16)), encode(picture(24, 8, "L"))]
    bad = good[0][:-100]
    decoded = decode_jpegs([good[0], bad, b"", good[1], bad])
    assert [None if pixels is None else pixels.shape for pixels in decoded] == [
        (3, 16, 16),
        None,
        None,
        (1, 8, 24),
        None,
    ]
    assert decode_jpegs([]) == []


def test_what_is_no_plain_jpeg_is_left_to_pillow() -> None:
    data = encode(picture(16, 16))
    frame = data.index(b"\xff\xc0")
    deep = bytearray(data)
    deep[frame + 4] = 12  # bits
    huge = bytearray(data)
    huge[frame + 5 : frame + 9] = b"\xff" * 4  # height and width
    png = io.BytesIO()
    picture(16, 16).save(png, "png")
    for other in (
        encode(picture(16, 16, "CMYK")),
        deep,
        huge,
        png.getvalue(),
        b"",
        b"\xff\xd8",
        b"\xff" * 99,
    ):
        assert decode(bytes(other)) is None


def test_a_large_file_or_image_is_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(picture(16, 16))
    with monkeypatch.context() as patch:
        patch.setattr(Image, "MAX_IMAGE_PIXELS", 16 * 16 // 2 - 1)  # Pillow refuses twice as many
        assert decode(data) is None
    monkeypatch.setattr(file_source, "MAX_JPEG_BYTES", len(data))
    assert decode(data) is not None
    monkeypatch.setattr(file_source, "MAX_JPEG_BYTES", len(data) - 1)
    assert decode(data) is None


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_a_part_of_an_image_is_left_to_pillow(options: dict[str, object]) -> None:
    data = encode(picture(64, 64), **options)
    assert decode(data) is not None
    for length in range(0, len(data), 11):
        assert decode(data[:length]) is None


@pytest.mark.filterwarnings("ignore")
def test_what_is_damaged_is_decoded_as_pillow_does_or_left_to_it() -> None:
    chance = random.Random(0)
    decoded = 0
    for number in range(400):
        data = bytearray(encode(picture(40, 40), progressive=number % 4 == 0))
        for _ in range(chance.choice((1, 1, 5))):
            data[chance.randrange(2, len(data))] = chance.randrange(256)
        pixels = decode(bytes(data))
        if pixels is not None:
            decoded += 1
            np.testing.assert_array_equal(np.asarray(by_pillow(bytes(data))).transpose(2, 0, 1), pixels)
    assert 100 < decoded < 400


def test_torchvision_still_has_its_decoder() -> None:
    assert decode(encode(picture(16, 16))) is not None, (
        "torchvision.io.decode_jpeg is gone: packing small JPEGs now takes Pillow more than twice as long. Delete "
        "decode_jpegs, or decode there by what has replaced it (torchcodec)"
    )


def test_without_torchvisions_decoder_all_is_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(picture(16, 16))
    monkeypatch.setitem(sys.modules, "torchvision.io", None)
    assert decode(data) is None
