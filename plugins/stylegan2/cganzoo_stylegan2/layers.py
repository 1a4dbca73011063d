"""Layers of all parts: an equalised learning rate, and modulated convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo.layers import SmoothFilter

EPS = 1e-8


class ScaledLeakyReLU(nn.LeakyReLU):
    """LeakyReLU (0.2) times sqrt(2), which keeps the mean square of normal inputs about the same."""

    def __init__(self) -> None:
        super().__init__(0.2)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch
        """Activate."""
        return super().forward(input) * 2**0.5


class EqualizedLinear(nn.Linear):
    """A linear layer with an equalised learning rate (arXiv:1710.10196, section 4.1).

    The weights begin as N(0, 1), and are multiplied by 1/sqrt(inputs) at each use. So an
    optimizer with a step of fixed size, such as Adam, changes all layers equally fast.

    Args:
        lr_factor: factor of the learning rate: weights and biases are stored divided by it.
        initial_bias: initial value of the biases.
    """

    def __init__(self, inputs: int, outputs: int, *, lr_factor: float = 1.0, initial_bias: float = 0.0) -> None:
        super().__init__(inputs, outputs)
        self.lr_factor, self.gain = lr_factor, lr_factor / inputs**0.5
        nn.init.normal_(self.weight, std=1 / lr_factor)
        nn.init.constant_(self.bias, initial_bias / lr_factor)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch
        """(N, inputs) to (N, outputs)."""
        return F.linear(input, self.weight * self.gain, self.bias * self.lr_factor)


class EqualizedConv2d(nn.Conv2d):
    """A convolution with an equalised learning rate: (N, inputs, H, W) to (N, outputs, H, W)."""

    def __init__(self, inputs: int, outputs: int, size: int, *, stride: int = 1, bias: bool = True) -> None:
        super().__init__(inputs, outputs, size, stride, padding=size // 2 if stride == 1 else 0, bias=bias)
        self.gain = (inputs * size * size) ** -0.5
        nn.init.normal_(self.weight)
        if bias:
            assert self.bias is not None
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch
        """Convolve."""
        return F.conv2d(input, self.weight * self.gain, self.bias, self.stride, self.padding)


class ModulatedConv2d(nn.Module):
    """A convolution with weights w'_oik = s_i w_oik, where s is the style of the sample (arXiv:1912.04958, eq. 1).

    The styles are a linear function of the codes. Each sample has other weights w'. To scale the inputs by s, and the
    outputs by the demodulation, gives the same result with one convolution of the whole batch.

    Args:
        demodulate: whether the weights w' of each output are divided by their norm (eq. 3).
    """

    def __init__(self, inputs: int, outputs: int, size: int, code_dim: int, *, demodulate: bool = True) -> None:
        super().__init__()
        self.demodulate, self.padding = demodulate, size // 2
        self.gain = (inputs * size * size) ** -0.5
        self.style = EqualizedLinear(code_dim, inputs, initial_bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))

    def forward(self, maps: Tensor, codes: Tensor) -> Tensor:
        """Maps (N, inputs, H, W) and codes (N, code_dim) to maps (N, outputs, H, W)."""
        styles = self.style(codes)
        weight = self.weight * self.gain
        maps = self.convolve(maps * styles[:, :, None, None], weight)
        return maps * self.demodulation(styles, weight)[:, :, None, None] if self.demodulate else maps

    def convolve(self, maps: Tensor, weight: Tensor) -> Tensor:
        """The convolution of scaled maps, the same for all samples."""
        return F.conv2d(maps, weight, padding=self.padding)

    def demodulation(self, styles: Tensor, weight: Tensor) -> Tensor:
        """One divided by the norm of s_i w_oik over i and k, for each sample and output: (N, outputs)."""
        return (F.linear(styles.square(), weight.square().sum((2, 3))) + EPS).rsqrt()


class UpsampledModulatedConv2d(ModulatedConv2d):
    """The same, with upsampling by 2 and the filter after it: (N, inputs, H, W) to (N, outputs, 2H, 2W)."""

    def __init__(self, inputs: int, outputs: int, code_dim: int) -> None:
        super().__init__(inputs, outputs, 3, code_dim)
        self.smooth = SmoothFilter(padding=1)

    def convolve(self, maps: Tensor, weight: Tensor) -> Tensor:
        """A transposed convolution, and the filter. Of four pixels three are new, so its weights have the sum 4."""
        maps = F.conv_transpose2d(maps, 4 * weight.transpose(0, 1), stride=2)
        smooth: Tensor = self.smooth(maps)
        return smooth
