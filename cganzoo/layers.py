"""Layers that resample: with a smooth filter, or together with a convolution, with less than half of the work."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UpsampledConv2d(nn.Conv2d):
    """Nearest-neighbour upsampling by 2 and a 3x3 convolution: (N, C, H, W) to (N, O, 2H, 2W).

    ``weight`` (O, C, 3, 3) is that of the convolution, so norms and parametrizations mean what they mean there. Each
    output pixel sees only 2x2 different input pixels, so a transposed 4x4 convolution with summed weights gives the
    same values.
    """

    sums: Tensor

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)
        self.register_buffer("sums", _sums().flip(1), persistent=False)  # a transposed convolution turns its kernel

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch
        """Upsample and convolve."""
        weight = _enlarged(self.weight, self.sums).transpose(0, 1)
        return F.conv_transpose2d(input, weight, self.bias, stride=2, padding=1)


class PooledConv2d(nn.Conv2d):
    """A 3x3 convolution and average pooling by 2: (N, C, H, W) to (N, O, H/2, W/2).

    ``weight`` (O, C, 3, 3) is that of the convolution. The mean of four shifted 3x3 convolutions is one 4x4 convolution
    with stride 2.
    """

    sums: Tensor

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)
        self.register_buffer("sums", _sums() / 4, persistent=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch
        """Convolve and pool."""
        return F.conv2d(input, _enlarged(self.weight, self.sums), self.bias, stride=2, padding=1)


class SmoothUpsample(nn.Module):
    """Upsampling by 2 with the filter (1, 3, 3, 1) along both axes: (N, C, H, W) to (N, C, 2H, 2W).

    It is bilinear interpolation, with zeros outside of the map (arXiv:1904.11486 for the reason).
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", 4 * _smooth_kernel(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Insert zeros between the pixels and filter."""
        return _spread(x, self.kernel, 2, 1)


class SmoothDownsample(nn.Module):
    """Downsampling by 2 with the filter (1, 3, 3, 1) along both axes: (N, C, H, W) to (N, C, H/2, W/2).

    H and W are even. Zeros are outside of the map. Four times this is the transposed map of :class:`SmoothUpsample`.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", _smooth_kernel(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Filter and keep every second pixel."""
        return _gathered(x, self.kernel, 2, 1)


class SmoothFilter(nn.Module):
    """The filter (1, 3, 3, 1) along both axes: (N, C, H, W) to (N, C, H + 2 padding - 3, W + 2 padding - 3).

    Args:
        padding: zeros at each edge, 0 to 3.
    """

    kernel: Tensor

    def __init__(self, padding: int) -> None:
        super().__init__()
        self.padding = padding
        self.register_buffer("kernel", _smooth_kernel(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Filter."""
        return _gathered(x, self.kernel, 1, self.padding)


def _smooth_kernel() -> Tensor:
    """The filter (1, 1, 4, 4); its sum is 1."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return torch.outer(taps, taps)[None, None]


class _Gather(torch.autograd.Function):
    """A filter of each channel; its gradient is :class:`_Spread`, and the other way round.

    A gradient penalty differentiates these gradients again. With torch's own formula, that takes two to five times as
    long, because it is not one for a fixed kernel.
    """

    @staticmethod
    def forward(x: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
        weight = kernel.to(x.dtype).expand(x.shape[1], -1, -1, -1)
        return F.conv2d(x, weight, stride=stride, padding=padding, groups=x.shape[1])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, kernel, *ctx.geometry = inputs
        ctx.save_for_backward(kernel)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return _spread(gradients[0], *ctx.saved_tensors, *ctx.geometry), None, None, None


class _Spread(torch.autograd.Function):
    """The transposed map of :class:`_Gather`."""

    @staticmethod
    def forward(x: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
        weight = kernel.to(x.dtype).expand(x.shape[1], -1, -1, -1)
        return F.conv_transpose2d(x, weight, stride=stride, padding=padding, groups=x.shape[1])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, kernel, *ctx.geometry = inputs
        ctx.save_for_backward(kernel)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return _gathered(gradients[0], *ctx.saved_tensors, *ctx.geometry), None, None, None


def _gathered(x: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    filtered: Tensor = _Gather.apply(x, kernel, stride, padding)
    return filtered


def _spread(x: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    filtered: Tensor = _Spread.apply(x, kernel, stride, padding)
    return filtered


def _sums() -> Tensor:
    """The matrix (9, 16) from a 3x3 kernel to its sum at four positions, one pixel apart: a 4x4 kernel."""
    along_an_axis = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    return torch.kron(along_an_axis, along_an_axis)


def _enlarged(weight: Tensor, sums: Tensor) -> Tensor:
    """Kernels (O, C, 3, 3) to (O, C, 4, 4). A product with a matrix is ten times as fast as padding and adding."""
    return (weight.flatten(2) @ sums).view(*weight.shape[:2], 4, 4)
