"""Residual bottlenecks of BigGAN-deep: arXiv:1809.11096, figure 16."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo.layers import UpsampledConv2d

from .layers import ConditionalBatchNorm2d, prepared

RATIO = 4
"""Channels of a block's input (generator) or output (trunk) for each channel of its 3x3 convolutions."""


class DeepGeneratorBlock(nn.Module):
    """Convolutions 1x1, 3x3, 3x3, 1x1, each after conditional batch normalisation and ReLU.

    Upsampling, if any, comes before the first 3x3 convolution. The shortcut drops the last channels if there are fewer
    outputs than inputs.

    Args:
        inputs, outputs: channels; not more outputs than inputs.
        condition_dim: length of the condition of an image.
        upsamples: whether the maps double.
        spectral_norm: whether all layers are normalised.
    """

    def __init__(self, inputs: int, outputs: int, condition_dim: int, *, upsamples: bool, spectral_norm: bool) -> None:
        super().__init__()
        self.outputs = outputs
        hidden = max(inputs // RATIO, 1)
        self.norm1, self.norm2, self.norm3, self.norm4 = (
            ConditionalBatchNorm2d(channels, condition_dim, spectral_norm=spectral_norm)
            for channels in (inputs, hidden, hidden, hidden)
        )
        conv2 = UpsampledConv2d(hidden, hidden) if upsamples else nn.Conv2d(hidden, hidden, 3, padding=1)
        self.conv1 = prepared(nn.Conv2d(inputs, hidden, 1), spectral_norm=spectral_norm)
        self.conv2 = prepared(conv2, spectral_norm=spectral_norm)
        self.conv3 = prepared(nn.Conv2d(hidden, hidden, 3, padding=1), spectral_norm=spectral_norm)
        self.conv4 = prepared(nn.Conv2d(hidden, outputs, 1), spectral_norm=spectral_norm)
        self.upsample = nn.Upsample(scale_factor=2) if upsamples else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map (N, C, H, W) and conditions (N, condition_dim) to (N, O, H, W), or (N, O, 2H, 2W) if it upsamples."""
        h: Tensor = self.conv1(F.relu(self.norm1(x, condition), inplace=True))
        h = self.conv2(F.relu(self.norm2(h, condition), inplace=True))
        h = self.conv3(F.relu(self.norm3(h, condition), inplace=True))
        h = self.conv4(F.relu(self.norm4(h, condition), inplace=True))
        shortcut: Tensor = self.upsample(x[:, : self.outputs])
        return shortcut + h


class DeepGeneratorStage(nn.Module):
    """Two blocks: the first one keeps size and channels, the second one doubles the size and changes the channels.

    Args:
        inputs, outputs: channels; not more outputs than inputs.
        condition_dim: length of the condition of an image.
        spectral_norm: whether all layers are normalised.
    """

    def __init__(self, inputs: int, outputs: int, condition_dim: int, *, spectral_norm: bool) -> None:
        super().__init__()
        self.keeps = DeepGeneratorBlock(inputs, inputs, condition_dim, upsamples=False, spectral_norm=spectral_norm)
        self.doubles = DeepGeneratorBlock(inputs, outputs, condition_dim, upsamples=True, spectral_norm=spectral_norm)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map (N, C, H, W) and conditions (N, condition_dim) to (N, O, 2H, 2W)."""
        x = self.keeps(x, condition)
        doubled: Tensor = self.doubles(x, condition)
        return doubled


class DeepTrunkBlock(nn.Module):
    """Convolutions 1x1, 3x3, 3x3, 1x1, each after a ReLU.

    Average pooling, if any, comes before the last convolution. The shortcut keeps the channels of the input; a 1x1
    convolution makes the additional ones.

    Args:
        inputs, outputs: channels; not fewer outputs than inputs.
        downsamples: whether the maps are halved.
        spectral_norm: whether all layers are normalised.
    """

    def __init__(self, inputs: int, outputs: int, *, downsamples: bool, spectral_norm: bool) -> None:
        super().__init__()
        hidden = max(outputs // RATIO, 1)
        self.conv1 = prepared(nn.Conv2d(inputs, hidden, 1), spectral_norm=spectral_norm)
        self.conv2 = prepared(nn.Conv2d(hidden, hidden, 3, padding=1), spectral_norm=spectral_norm)
        self.conv3 = prepared(nn.Conv2d(hidden, hidden, 3, padding=1), spectral_norm=spectral_norm)
        self.conv4 = prepared(nn.Conv2d(hidden, outputs, 1), spectral_norm=spectral_norm)
        self.pool = nn.AvgPool2d(2) if downsamples else nn.Identity()
        self.shortcut = (
            _AdditionalChannels(inputs, outputs, spectral_norm=spectral_norm) if outputs > inputs else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, O, H, W), or (N, O, H/2, W/2) if it downsamples."""
        h: Tensor = self.conv1(F.relu(x))
        h = self.conv2(F.relu(h, inplace=True))
        h = self.conv3(F.relu(h, inplace=True))
        h = self.conv4(self.pool(F.relu(h, inplace=True)))
        shortcut: Tensor = self.shortcut(self.pool(x))
        return shortcut + h


class _AdditionalChannels(nn.Module):
    """The input, and further channels from a 1x1 convolution of it."""

    def __init__(self, inputs: int, outputs: int, *, spectral_norm: bool) -> None:
        super().__init__()
        self.conv = prepared(nn.Conv2d(inputs, outputs - inputs, 1), spectral_norm=spectral_norm)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(x)], 1)
