"""Turns one image of any size and mode into a square of uint8 pixels."""

from __future__ import annotations

import numpy as np
from PIL import ExifTags, Image

RESIZE = "centre square to size (exact area mean for whole factors, else bicubic with antialiasing)"
"""Part of the protocol fingerprint: change it whenever :func:`square` returns other pixels."""

_UPRIGHT: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Exif orientation to the operation that turns the image upright."""


def square(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """The largest centred square, scaled to ``size``: (channels, size, size) uint8.

    The orientation tag is applied, transparent pixels become white, 16-bit gray keeps its upper byte.

    Raises:
        ValueError: the mode cannot be converted to pixels: floats, or a colour space that Pillow cannot convert.
    """
    turn = orientation(image)
    image = _plain(image if turn is None else image.transpose(turn), "L" if channels == 1 else "RGB")
    side = min(image.size)
    if side % size == 0:
        return square_of_pixels(_planes(image), size, channels)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    return _planes(image.resize((size, size), Image.Resampling.BICUBIC, box=box))


def square_of_pixels(pixels: np.ndarray, size: int, channels: int) -> np.ndarray:
    """:func:`square` of decoded pixels, (1, H, W) gray or (3, H, W) RGB, uint8, or of N such images (N, 1|3, H, W)."""
    *count, planes, height, width = pixels.shape
    side = min(height, width)
    if planes > channels or side % size:
        if count:
            return np.stack([square_of_pixels(image, size, channels) for image in pixels])
        image = Image.fromarray(pixels[0] if planes == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
        return square(image, size, channels)
    left, top = (width - side) // 2, (height - side) // 2
    pixels = _area_mean(pixels[..., top : top + side, left : left + side], side // size)
    return pixels if planes == channels else np.repeat(pixels, channels, axis=-3)


def _area_mean(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Mean of each ``factor`` x ``factor`` block, rounded half up: ``(a + b + c + d + 2) >> 2`` for factor 2."""
    if factor == 1:
        return pixels
    wide = np.uint16 if factor <= 16 else np.uint32  # holds factor^2 * 255.5
    total = pixels[..., ::factor, :].astype(wide)
    for row in range(1, factor):
        total += pixels[..., row::factor, :]
    mean = total[..., ::factor].copy()
    for column in range(1, factor):
        mean += total[..., column::factor]
    mean += factor * factor // 2
    mean //= factor * factor
    return np.asarray(mean, np.uint8)


def _planes(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def orientation(image: Image.Image) -> Image.Transpose | None:
    """The operation that turns the image upright according to its tags; ``None`` if it is upright."""
    # Pillow's exif_transpose also rewrites the tags, which fails for many cameras' tags.
    try:
        return _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # the parser raises many kinds for damaged tags; the pixels are good
        return None


def _plain(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == "F":
        raise ValueError("a float image has no agreed range of values; save it with 8 or 16 bits")
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow's own conversion clips at 255 instead of scaling.
        image = Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert(mode)
