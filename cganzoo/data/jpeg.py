"""Small JPEG files decoded by torchvision, which needs less than half of Pillow's time for them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from PIL import Image

from .pixels import orientation

MAX_BYTES = 1 << 16
"""Larger files are left to Pillow, which is as fast for them."""

Decoder = Callable[[Sequence[bytes]], list[np.ndarray]]


def decode_jpegs(files: Sequence[bytes]) -> list[np.ndarray | None]:
    """The pixels of small JPEGs, each (1, H, W) gray or (3, H, W) RGB, uint8: the same as Pillow's.

    ``None`` for what is left to Pillow: other formats and modes, large files, images that their tags turn, and damaged
    files, for which it says what is wrong. torchvision has announced that it will remove its decoder; then everything
    is left to Pillow.
    """
    decoded: list[np.ndarray | None] = [None] * len(files)
    decode = _decoder()
    small = [place for place, data in enumerate(files) if decode and _is_suitable(data)]
    if decode is None or not small:
        return decoded
    try:
        found: Sequence[np.ndarray | None] = decode([files[place] for place in small])
    except RuntimeError:  # one of them is damaged
        found = [decode_jpegs([files[place]])[0] for place in small] if len(files) > 1 else [None]
    for place, pixels in zip(small, found, strict=True):
        decoded[place] = pixels
    return decoded


def _is_suitable(data: bytes) -> bool:
    if len(data) > MAX_BYTES or not data.startswith(b"\xff\xd8"):
        return False
    try:
        header = Image.open(io.BytesIO(data), formats=["JPEG"])  # refuses images that would fill the memory
    except Exception:  # Pillow raises many kinds of errors for a damaged header
        return False
    return header.mode in ("L", "RGB") and orientation(header) is None


@cache
def _decoder() -> Decoder | None:
    try:
        import torch  # only when something is packed
        from torchvision.io import decode_jpeg
    except ImportError:
        return None

    def decode(files: Sequence[bytes]) -> list[np.ndarray]:
        images = decode_jpeg([torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in files])
        return [np.asarray(image.numpy(), np.uint8) for image in images]

    return decode
