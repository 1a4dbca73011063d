"""JPEG files decoded by torchvision, which needs less than half of Pillow's time for a small image."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from PIL import Image

from .pixels import orientation

MAX_PIXELS = 1 << 26
"""Larger images are left to Pillow, which refuses those that are made to fill the memory."""

Decoder = Callable[[Sequence[bytes]], list[np.ndarray]]


def decode_jpegs(files: Sequence[bytes]) -> list[np.ndarray | None]:
    """The pixels of gray and RGB JPEGs, each (1, H, W) or (3, H, W) uint8: the same as Pillow's.

    ``None`` for what is left to Pillow: other formats, images that their tags turn, and damaged files, for which it
    says what is wrong. All are left to it if torchvision has no decoder, which it is going to remove.
    """
    decoded: list[np.ndarray | None] = [None] * len(files)
    decode = _decoder()
    chosen = [place for place, data in enumerate(files) if decode and _is_plain(data)]
    if decode is None or not chosen:
        return decoded
    try:
        found: Sequence[np.ndarray | None] = decode([files[place] for place in chosen])
    except RuntimeError:  # one of them is damaged
        found = [decode_jpegs([files[place]])[0] for place in chosen] if len(files) > 1 else [None]
    for place, pixels in zip(chosen, found, strict=True):
        decoded[place] = pixels
    return decoded


def _is_plain(data: bytes) -> bool:
    if not data.startswith(b"\xff\xd8"):
        return False
    try:
        header = Image.open(io.BytesIO(data), formats=["JPEG"])
    except Exception:  # Pillow raises many kinds of errors for a damaged header
        return False
    return header.mode in ("L", "RGB") and header.width * header.height <= MAX_PIXELS and orientation(header) is None


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
