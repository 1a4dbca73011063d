"""JPEG by torchvision's decoder, which lets other threads work meanwhile, as Pillow's does not."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

from .pixels import orientation, to_image

MAX_PIXELS = 1 << 26
"""Larger images are left to Pillow, which refuses those that are made to fill the memory."""

_START = b"\xff\xd8"
_FRAMES = (0xFFC0, 0xFFC1, 0xFFC2)  # baseline, extended and progressive
_SCAN, _TAGS = 0xFFDA, 0xFFE1


def decode_jpeg(data: bytes) -> np.ndarray | None:
    """A plain JPEG's pixels, (1, H, W) if it is gray or (3, H, W), uint8, turned as its tags say.

    None for whatever else, damaged files among it: Pillow has the pixels of CMYK images, or the reason why there
    are none. Where there are pixels, they are Pillow's, which uses the same library.
    """
    tagged = _is_tagged(data)
    if tagged is None:
        return None
    decode = _decoder()
    if decode is None:
        return None
    try:
        pixels = decode(data)
        turn = orientation(Image.open(io.BytesIO(data), formats=["JPEG"])) if tagged else None
    except (RuntimeError, OSError):
        return None
    if turn is not None:
        turned = np.asarray(to_image(pixels).transpose(turn))
        pixels = turned[None] if turned.ndim == 2 else turned.transpose(2, 0, 1)
    return pixels


def _is_tagged(data: bytes) -> bool | None:
    """Whether there are tags, which may turn the image; None if it is not JPEG, or of a kind that is Pillow's.

    Source: ITU-T T.81, annex B: two bytes of a marker, two of its segment's length, the segment.
    """
    if not data.startswith(_START):
        return None
    at, tagged, plain = len(_START), False, False
    try:
        while True:
            marker, length = struct.unpack_from(">HH", data, at)
            if marker in _FRAMES:
                bits, height, width, channels = struct.unpack_from(">BHHB", data, at + 4)
                plain = bits == 8 and channels in (1, 3) and height * width <= MAX_PIXELS
            elif marker == _TAGS:
                tagged = True
            elif marker == _SCAN:
                return tagged if plain else None
            elif marker < 0xFFC0:
                return None
            at += 2 + length
    except struct.error:  # the file ends within its header
        return None


@cache
def _decoder() -> Callable[[bytes], np.ndarray] | None:
    try:
        import torch  # when something is packed, not before
        import torchvision.io

        # What torchvision.io.decode_jpeg calls. That warns at each call that it will go one day, under a lock.
        operator = torch.ops.image.decode_jpeg
        unchanged = torchvision.io.ImageReadMode.UNCHANGED.value
    except (ImportError, AttributeError):  # it has gone; Pillow's decoder is slower
        return None

    def decode(data: bytes) -> np.ndarray:
        encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        return np.asarray(operator(encoded, unchanged, False).numpy(), np.uint8)

    return decode
