"""The generator and the discriminator trunk of R3GAN, a ResNet without normalisation (arXiv:2501.05441, Config E)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from cganzoo import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.layers import SmoothDownsample, SmoothUpsample
from cganzoo.networks import Discriminator, Generator, class_weights, resolutions

from .blocks import DiscriminativeBasis, GenerativeBasis, ResidualBlock, pointwise, scaled
from .config import R3GANDiscriminatorConfig, R3GANGeneratorConfig, R3GANNetworkConfig


class R3GANGenerator(Generator):
    """Noise and class embedding -> basis of 4x4 maps -> residual blocks and upsampling -> 1x1 convolution -> tanh.

    Args:
        config: the options.
        context: number of classes, and size and channels of the images.

    Raises:
        CganzooError: the feature maps cannot be doubled to this image size, or the width cannot be halved often enough.
    """

    mixes_classes = True

    def __init__(self, config: R3GANGeneratorConfig, context: BuildContext) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.conditional = config.conditional
        self.num_classes = context.num_classes
        code_dim = config.latent_dim
        if config.conditional:
            code_dim += config.class_dim
            self.embedding = scaled(nn.Linear(context.num_classes, config.class_dim, bias=False))
        sides = resolutions(context.image_size, "r3gan")
        channels = widths(config, sides, "generator")
        self.basis = GenerativeBasis(code_dim, channels[0], sides[0])
        stages: list[nn.Module] = [blocks(config, channels[0], len(sides))]
        for before, after in pairwise(channels):
            stages += [change(before, after), SmoothUpsample(), blocks(config, after, len(sides))]
        self.body = nn.Sequential(*stages)
        self.to_image = pointwise(channels[-1], context.image_channels)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """See :class:`cganzoo.networks.Generator`."""
        if self.conditional:
            z = torch.cat([z, self.embedding(class_weights(labels, self.num_classes, z.dtype))], 1)
        images: Tensor = self.to_image(self.body(self.basis(z)))
        return images.tanh()


class R3GANDiscriminator(Discriminator):
    """Trunk: 1x1 convolution -> residual blocks and downsampling to 4x4 -> basis of 4x4 maps -> linear layer.

    Args:
        config: the options.
        context: size and channels of the images.

    Raises:
        CganzooError: the feature maps cannot be doubled to this image size, or the width cannot be halved often enough.
    """

    def __init__(self, config: R3GANDiscriminatorConfig, context: BuildContext) -> None:
        super().__init__()
        self.feature_dim = config.width
        sides = resolutions(context.image_size, "r3gan")
        channels = widths(config, sides, "discriminator")[::-1]
        self.from_image = pointwise(context.image_channels, channels[0])
        stages: list[nn.Module] = [blocks(config, channels[0], len(sides))]
        for before, after in pairwise(channels):
            stages += [SmoothDownsample(), change(before, after), blocks(config, after, len(sides))]
        self.body = nn.Sequential(*stages)
        self.basis = DiscriminativeBasis(channels[-1], sides[0], self.feature_dim)

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`cganzoo.networks.Discriminator`."""
        features: Tensor = self.basis(self.body(self.from_image(images)))
        return features


def widths(config: R3GANNetworkConfig, sides: tuple[int, ...], table: str) -> list[int]:
    """Channels of the feature maps of these sides: ``width``, halved at each doubling above ``full_width``.

    Raises:
        CganzooError: ``width`` or ``groups`` cannot be halved that often; ``table`` of the recipe has them.
    """
    halvings = [sum(config.full_width < side for side in sides[: index + 1]) for index in range(len(sides))]
    unit = 1 << halvings[-1]
    for key, value in (("width", config.width), ("groups", config.groups)):
        if value % unit:
            raise CganzooError(
                f"{table}.{key} = {value}, but each doubling from {table}.full_width = {config.full_width} to "
                f"data.image_size = {sides[-1]} pixels halves it; write a multiple of {unit}, such as "
                f"{max(1, round(value / unit)) * unit}"
            )
    return [config.width >> halving for halving in halvings]


def blocks(config: R3GANNetworkConfig, channels: int, stages: int) -> nn.Sequential:
    """The residual blocks for feature maps of one size, in a network for ``stages`` sizes."""
    groups = config.groups * channels // config.width
    depth = stages * config.blocks
    block = (ResidualBlock(channels, channels * config.expansion, groups, depth) for _ in range(config.blocks))
    return nn.Sequential(*block)


def change(before: int, after: int) -> nn.Module:
    """A 1x1 convolution where the number of channels changes."""
    return nn.Identity() if before == after else pointwise(before, after)
