"""One image of any size and mode to a square of uint8 pixels."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

RESIZE = "centre square to size (area mean for whole factors, else bicubic with antialiasing)"
"""Part of the protocol fingerprint: change it whenever :func:`square` gives other pixels."""


def square(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """The largest centred square, scaled to ``size``: (channels, size, size) uint8.

    The camera's orientation tag is obeyed, transparency is laid over white, 16-bit gray keeps its upper byte.
    """
    image = _plain(_upright(image), "L" if channels == 1 else "RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    method = Image.Resampling.BOX if side % size == 0 else Image.Resampling.BICUBIC
    pixels = np.asarray(image.resize((size, size), method, box=(left, top, left + side, top + side)))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged tag, on which Pillow raises whatever its parser meets; the pixels are good
        return image


def _plain(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow's own conversion clips at 255 instead of scaling.
        image = Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert(mode)
