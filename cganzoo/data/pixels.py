"""One image of any size and mode to a square of uint8 pixels."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

RESIZE = "short side to size (area mean for whole factors, else bicubic with antialiasing), centre crop"
"""Part of the protocol fingerprint: change it whenever :func:`square` gives other pixels."""


def square(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """Scale the short side to ``size``, crop the centre: (channels, size, size) uint8.

    The camera's orientation tag is obeyed, transparency is laid over white, 16-bit gray keeps its upper byte.
    """
    image = _plain(ImageOps.exif_transpose(image), "L" if channels == 1 else "RGB")
    width, height = image.size
    short = min(width, height)
    if short != size:
        scaled = (max(size, round(width * size / short)), max(size, round(height * size / short)))
        whole_factor = short % size == 0 and (width * size) % short == 0 and (height * size) % short == 0
        image = image.resize(scaled, Image.Resampling.BOX if whole_factor else Image.Resampling.BICUBIC)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    image = image.crop((left, top, left + size, top + size))
    pixels = np.asarray(image)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _plain(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow's own conversion clips at 255 instead of scaling.
        image = Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert(mode)
