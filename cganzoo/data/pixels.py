"""One image of any size and mode to a square of uint8 pixels."""

from __future__ import annotations

import numpy as np
from PIL import ExifTags, Image

RESIZE = "centre square to size (area mean for whole factors, else bicubic with antialiasing)"
"""Part of the protocol fingerprint: change it whenever :func:`square` gives other pixels."""

_UPRIGHT: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What shows an image as the Exif orientation tag means it."""


def square(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """The largest centred square, scaled to ``size``: (channels, size, size) uint8.

    The camera's orientation tag is obeyed, transparency is laid over white, 16-bit gray keeps its upper byte.

    Raises:
        ValueError: the image's mode has no meaning as pixels: floats, or a colour space that Pillow cannot convert.
    """
    image = _plain(_upright(image), "L" if channels == 1 else "RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    method = Image.Resampling.BOX if side % size == 0 else Image.Resampling.BICUBIC
    pixels = np.asarray(image.resize((size, size), method, box=(left, top, left + side, top + side)))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _upright(image: Image.Image) -> Image.Image:
    # Pillow's exif_transpose also writes the tags anew, which fails on many a camera's.
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged tags, on which the parser raises whatever it meets; the pixels are good
        return image
    method = _UPRIGHT.get(orientation)
    return image if method is None else image.transpose(method)


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
