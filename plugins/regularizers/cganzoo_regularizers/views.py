"""Second views of images: mirrored and moved."""

from __future__ import annotations

import torch
from torch import Tensor


def second_view(images: Tensor, *, flip: bool, shift: int) -> Tensor:
    """Images (N, C, H, W), each mirrored left-right with probability 1/2 and moved at random.

    Args:
        images: any number type and range.
        flip: whether to mirror.
        shift: largest move in each of both directions, in pixels. The pixels at the edge are repeated.
    """
    count, _, height, width = images.shape
    device = images.device
    rows = torch.arange(height, device=device).expand(count, height)
    columns = torch.arange(width, device=device).expand(count, width)
    if shift:
        down, right = torch.randint(-shift, shift + 1, (2, count, 1), device=device)
        rows, columns = (rows - down).clamp(0, height - 1), (columns - right).clamp(0, width - 1)
    if flip:
        mirrored = torch.rand(count, 1, device=device) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    images = images.gather(3, columns[:, None, None, :].expand_as(images))
    return images.gather(2, rows[:, None, :, None].expand_as(images)) if shift else images


def in_pixels(share: float, size: int) -> int:
    """The largest move of a view for a share of the images' size: at least one pixel unless the share is 0."""
    return max(1, round(share * size)) if share else 0
