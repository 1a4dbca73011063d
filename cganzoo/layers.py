"""Layers that resample: with a smooth filter, or together with a convolution, with less than half of the work."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UpsampledConv2d(nn.Conv2d):
    """Nearest-neighbour upsampling by 2 and a 3x3 convolution: (N, C, H, W) to (N, O, 2H, 2W).

    ``weight`` (O, C, 3, 3) is that of the convolution, so norms and parametrizations mean what they mean there. Each
    output pixel sees only 2x2 different input pixels, so a transposed 4x4 convolution with summed weights gives the
    same values.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch
        """Upsample and convolve."""
        weight = _summed(self.weight).flip(2, 3).transpose(0, 1)
        return F.conv_transpose2d(input, weight, self.bias, stride=2, padding=1)


class PooledConv2d(nn.Conv2d):
    """A 3x3 convolution and average pooling by 2: (N, C, H, W) to (N, O, H/2, W/2).

    ``weight`` (O, C, 3, 3) is that of the convolution. The mean of four shifted 3x3 convolutions is one 4x4 convolution
    with stride 2.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch
        """Convolve and pool."""
        return F.conv2d(input, _summed(self.weight) / 4, self.bias, stride=2, padding=1)


class _Smooth(nn.Module):
    """A filter (1, 3, 3, 1) along both axes, for each channel by itself; ``kernel`` (1, 1, 4, 4) has the sum 1."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", torch.outer(taps, taps)[None, None], persistent=False)


class SmoothUpsample(_Smooth):
    """Upsampling by 2 with the filter (1, 3, 3, 1): (N, C, H, W) to (N, C, 2H, 2W).

    It is bilinear interpolation, with zeros outside of the map: the filter of StyleGAN2 and R3GAN (arXiv:1904.11486 for
    the reason).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Insert zeros between the pixels and filter."""
        channels = x.shape[1]
        return F.conv_transpose2d(x, 4 * self.kernel.expand(channels, -1, -1, -1), stride=2, padding=1, groups=channels)


class SmoothDownsample(_Smooth):
    """Downsampling by 2 with the filter (1, 3, 3, 1): (N, C, H, W) to (N, C, H/2, W/2), zeros outside of the map.

    Four times this is the transposed map of :class:`SmoothUpsample`.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Filter and keep every second pixel."""
        channels = x.shape[1]
        return F.conv2d(x, self.kernel.expand(channels, -1, -1, -1), stride=2, padding=1, groups=channels)


def _summed(weight: Tensor) -> Tensor:
    """The sum of a kernel (O, C, 3, 3) at four positions, one pixel apart: (O, C, 4, 4)."""
    rows = F.pad(weight, (0, 0, 1, 0)) + F.pad(weight, (0, 0, 0, 1))
    return F.pad(rows, (1, 0)) + F.pad(rows, (0, 1))
