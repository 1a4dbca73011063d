"""Residual blocks of BigGAN: arXiv:1809.11096, figure 15."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo.layers import PooledConv2d, UpsampledConv2d

from .layers import ConditionalBatchNorm2d, prepared


class GeneratorBlock(nn.Module):
    """Twice conditional batch normalisation, ReLU and 3x3 convolution, with upsampling by 2 before the first one.

    The shortcut upsamples and has a 1x1 convolution; both commute, so the convolution comes first.

    Args:
        inputs, outputs: channels.
        condition_dim: length of the condition of an image.
        spectral_norm: whether all layers are normalised.
    """

    def __init__(self, inputs: int, outputs: int, condition_dim: int, *, spectral_norm: bool) -> None:
        super().__init__()
        self.norm1 = ConditionalBatchNorm2d(inputs, condition_dim, spectral_norm=spectral_norm)
        self.conv1 = prepared(UpsampledConv2d(inputs, outputs), spectral_norm=spectral_norm)
        self.norm2 = ConditionalBatchNorm2d(outputs, condition_dim, spectral_norm=spectral_norm)
        self.conv2 = prepared(nn.Conv2d(outputs, outputs, 3, padding=1), spectral_norm=spectral_norm)
        self.shortcut = prepared(nn.Conv2d(inputs, outputs, 1), spectral_norm=spectral_norm)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map (N, C, H, W) and conditions (N, condition_dim) to (N, O, 2H, 2W)."""
        h: Tensor = self.conv1(F.relu(self.norm1(x, condition), inplace=True))
        h = self.conv2(F.relu(self.norm2(h, condition), inplace=True))
        shortcut: Tensor = F.interpolate(self.shortcut(x), scale_factor=2)
        return shortcut + h


class DownsamplingBlock(nn.Module):
    """Twice ReLU and 3x3 convolution, then average pooling by 2.

    The shortcut has a 1x1 convolution and pools; both commute, so the pooling comes first.

    Args:
        inputs, outputs: channels.
        spectral_norm: whether all layers are normalised.
        first: whether it gets images, so that no ReLU comes first.
    """

    def __init__(self, inputs: int, outputs: int, *, spectral_norm: bool, first: bool = False) -> None:
        super().__init__()
        self.activation = nn.Identity() if first else nn.ReLU()
        self.conv1 = prepared(nn.Conv2d(inputs, outputs, 3, padding=1), spectral_norm=spectral_norm)
        self.conv2 = prepared(PooledConv2d(outputs, outputs), spectral_norm=spectral_norm)
        self.shortcut = prepared(nn.Conv2d(inputs, outputs, 1), spectral_norm=spectral_norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, O, H/2, W/2)."""
        h: Tensor = self.conv1(self.activation(x))
        h = self.conv2(F.relu(h, inplace=True))
        shortcut: Tensor = self.shortcut(F.avg_pool2d(x, 2))
        return shortcut + h


class ResidualBlock(nn.Module):
    """Twice ReLU and 3x3 convolution; the shortcut has a 1x1 convolution if the number of channels changes.

    Args:
        inputs, outputs: channels.
        spectral_norm: whether all layers are normalised.
    """

    def __init__(self, inputs: int, outputs: int, *, spectral_norm: bool) -> None:
        super().__init__()
        self.conv1 = prepared(nn.Conv2d(inputs, outputs, 3, padding=1), spectral_norm=spectral_norm)
        self.conv2 = prepared(nn.Conv2d(outputs, outputs, 3, padding=1), spectral_norm=spectral_norm)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = prepared(nn.Conv2d(inputs, outputs, 1), spectral_norm=spectral_norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, O, H, W)."""
        h: Tensor = self.conv1(F.relu(x))
        h = self.conv2(F.relu(h, inplace=True))
        shortcut: Tensor = self.shortcut(x)
        return shortcut + h
