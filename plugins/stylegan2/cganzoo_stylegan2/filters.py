"""The filter [1, 3, 3, 1] in both directions, with which StyleGAN2 resamples (arXiv:1912.04958, appendix B)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TAPS = (1, 3, 3, 1)


class Smooth(nn.Module):
    """Filters maps (N, C, H, W) with weights of sum 1: (N, C, H + 2 padding - 3, W + 2 padding - 3).

    Args:
        padding: zeros at each edge, 0 to 3.
    """

    kernel: Tensor

    def __init__(self, padding: int) -> None:
        super().__init__()
        self.padding = padding
        self.register_buffer("kernel", kernel(), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Filter."""
        return _Smooth.apply(maps, self.kernel, self.padding)  # type: ignore[no-any-return]


class _Smooth(torch.autograd.Function):
    """A depthwise convolution with a symmetric kernel, whose gradient is the same filter with the opposite padding.

    A gradient penalty differentiates this gradient again. With autograd's own formula, that is ten times as slow as
    the filter.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, kernel: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.padding = padding
        channels = maps.shape[1]
        weight = kernel.to(maps.dtype).expand(channels, 1, -1, -1)
        return F.conv2d(maps, weight, padding=padding, groups=channels)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (kernel,) = ctx.saved_tensors
        return _Smooth.apply(gradients[0], kernel, len(TAPS) - 1 - ctx.padding), None, None


class Upsample(nn.Module):
    """Doubles the sides of images (N, C, H, W): zeros between the pixels, and the filter with weights of sum 4."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", 4 * kernel(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Upsample."""
        channels = images.shape[1]
        weight = self.kernel.to(images.dtype).expand(channels, 1, -1, -1)
        return F.conv_transpose2d(images, weight, stride=2, padding=1, groups=channels)


def kernel() -> Tensor:
    """The weights (4, 4) of the filter; their sum is 1."""
    taps = torch.tensor(TAPS, dtype=torch.get_default_dtype()) / sum(TAPS)
    return torch.outer(taps, taps)
