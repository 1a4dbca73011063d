"""Images in [-1, 1] to 8 bits, to keep many of them, and back."""

from __future__ import annotations

import torch
from torch import Tensor


def to_pixels(images: Tensor) -> Tensor:
    """Images in [-1, 1] to uint8 pixels, rounded."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def to_unit(pixels: Tensor) -> Tensor:
    """uint8 pixels to float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1
