"""The generator: residual blocks that double the size, with a gain and a bias per class after each normalisation."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.layers import UpsampledConv2d
from cganzoo.networks import Generator, class_weights, resolutions

from .config import SNGANGeneratorConfig
from .layers import SQRT2, large_widths, prepare

BATCH_NORM_EPS = 2e-5


class ConditionalBatchNorm2d(nn.Module):
    """Batch normalisation, then a gain and a bias for each class and channel (arXiv:1610.07629, equation 5).

    Args:
        num_classes: K; with 1, it is the usual batch normalisation.
        channels: C of the maps.
    """

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS, affine=False)
        self.gain = nn.Linear(num_classes, channels, bias=False)
        self.bias = nn.Linear(num_classes, channels, bias=False)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)

    def forward(self, maps: Tensor, classes: Tensor) -> Tensor:
        """Maps (N, C, H, W) and weights of the classes (N, K) to maps of the same shape."""
        gain, bias = self.gain(classes)[:, :, None, None], self.bias(classes)[:, :, None, None]
        return torch.addcmul(bias, gain, self.norm(maps))


class GeneratorBlock(nn.Module):
    """Residual block that doubles the size: (N, C, H, W) to (N, O, 2H, 2W).

    Normalisation, ReLU, upsampling, 3x3 convolution; normalisation, ReLU, 3x3 convolution. The shortcut is a 1x1
    convolution and upsampling; the papers upsample first, which gives the same values with four times the work.
    """

    def __init__(self, inputs: int, outputs: int, num_classes: int, spectral_norm: bool) -> None:
        super().__init__()
        self.norm1 = ConditionalBatchNorm2d(num_classes, inputs)
        self.conv1 = prepare(UpsampledConv2d(inputs, outputs), SQRT2, spectral_norm)
        self.norm2 = ConditionalBatchNorm2d(num_classes, outputs)
        self.conv2 = prepare(nn.Conv2d(outputs, outputs, 3, padding=1), SQRT2, spectral_norm)
        self.shortcut = prepare(nn.Conv2d(inputs, outputs, 1), 1, spectral_norm)

    def forward(self, maps: Tensor, classes: Tensor) -> Tensor:
        """Maps (N, C, H, W) and weights of the classes (N, K) to maps of twice the size."""
        residual: Tensor = self.conv1(F.relu(self.norm1(maps, classes)))
        residual = self.conv2(F.relu(self.norm2(residual, classes)))
        shortcut = F.interpolate(self.shortcut(maps), scale_factor=2.0, mode="nearest")
        return shortcut + residual


class SNGANGenerator(Generator):
    """Generator: noise -> linear layer to 4x4 -> residual blocks that double the size -> 3x3 convolution -> tanh.

    Args:
        config: the options.
        context: number of classes, and size (8 to 256 px) and channels of the images.

    Raises:
        CganzooError: doubling maps of 4 to 7 pixels does not lead to the size of the images.
    """

    mixes_classes = True

    def __init__(self, config: SNGANGeneratorConfig, context: BuildContext) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.conditional = config.conditional
        self.num_classes = context.num_classes if config.conditional else 1
        sides = resolutions(context.image_size, "sngan")
        widths = large_widths(context.image_size) or [4] * len(sides)
        channels = [width * config.width for width in reversed(widths)]
        self.smallest = (channels[0], sides[0], sides[0])
        linear = nn.Linear(config.latent_dim, channels[0] * sides[0] ** 2)
        self.linear = prepare(linear, 1, config.spectral_norm)
        self.blocks = nn.ModuleList(
            GeneratorBlock(inputs, outputs, self.num_classes, config.spectral_norm)
            for inputs, outputs in pairwise(channels)
        )
        self.norm = nn.BatchNorm2d(channels[-1], eps=BATCH_NORM_EPS)
        to_image = nn.Conv2d(channels[-1], context.image_channels, 3, padding=1)
        self.to_image = prepare(to_image, 1, config.spectral_norm)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """See :class:`cganzoo.networks.Generator`."""
        classes = class_weights(labels, self.num_classes, z.dtype) if self.conditional else z.new_ones(len(z), 1)
        maps = self.linear(z).unflatten(1, self.smallest)
        for block in self.blocks:
            maps = block(maps, classes)
        images: Tensor = self.to_image(F.relu(self.norm(maps))).tanh()
        return images
