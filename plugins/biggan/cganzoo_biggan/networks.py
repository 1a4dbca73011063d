"""The generator and the discriminator trunk of BigGAN: arXiv:1809.11096, appendix B, tables 4 to 6."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.networks import Discriminator, Generator, class_weights, resolutions

from .blocks import DownsamplingBlock, GeneratorBlock, ResidualBlock
from .channels import attentions, generator_channels, trunk_channels, trunk_sides
from .config import BigGANDiscriminatorConfig, BigGANGeneratorConfig
from .layers import prepared, to_images


class BigGANGenerator(Generator):
    """Generator: a linear layer to the smallest maps, one residual block for each doubling, one convolution to pixels.

    The noise is split into equal parts: the first one is the input of the linear layer. Each block gets one of the
    others, concatenated with the class embedding, as the condition of its batch normalisations.

    Args:
        config: the options.
        context: number of classes, and size and channels of the images.

    Raises:
        CganzooError: the image size, the length of the noise, or the place of the self-attention is impossible.
    """

    mixes_classes = True

    def __init__(self, config: BigGANGeneratorConfig, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        self.latent_dim, self.conditional, self.num_classes = config.latent_dim, config.conditional, context.num_classes
        sides, normalized = resolutions(context.image_size, "biggan"), config.spectral_norm
        channels = generator_channels(config.width, sides)
        self.part_dim = length_of_part(config.latent_dim, parts=len(sides))
        condition_dim = self.part_dim
        if config.conditional:
            self.embedding = prepared(nn.Linear(context.num_classes, config.class_dim, bias=False), spectral_norm=False)
            condition_dim += config.class_dim
        self.smallest = channels[0], sides[0], sides[0]
        self.linear = prepared(nn.Linear(self.part_dim, channels[0] * sides[0] ** 2), spectral_norm=normalized)
        self.blocks = nn.ModuleList(
            GeneratorBlock(inputs, outputs, condition_dim, spectral_norm=normalized)
            for inputs, outputs in pairwise(channels)
        )
        self.attentions = attentions("generator.attention", config.attention, sides[1:], channels[1:], normalized)
        self.to_images = to_images(channels[-1], context.image_channels, spectral_norm=normalized)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """See :class:`cganzoo.networks.Generator`."""
        part, *conditions = torch.split(z, self.part_dim, 1)
        if self.conditional:
            embedded = self.embedding(class_weights(labels, self.num_classes, z.dtype))
            conditions = [torch.cat([embedded, condition], 1) for condition in conditions]
        x = self.linear(part).unflatten(1, self.smallest)
        for block, attention, condition in zip(self.blocks, self.attentions, conditions, strict=True):
            x = attention(block(x, condition))
        images: Tensor = self.to_images(x)
        return images


class BigGANDiscriminator(Discriminator):
    """Trunk: residual blocks that halve the maps, residual blocks at the last size, and the sum over positions.

    For images of less than 64 px, four blocks of which the first two (below 16 px: the first one) halve the maps, as
    for CIFAR-10; else all but the last block halve them, down to 4 to 7 pixels.

    Args:
        config: the options.
        context: size and channels of the images.

    Raises:
        CganzooError: the image size or the place of the self-attention is impossible.
    """

    def __init__(self, config: BigGANDiscriminatorConfig, context: BuildContext) -> None:
        super().__init__()
        normalized = config.spectral_norm
        sides = resolutions(context.image_size, "biggan")
        blocks = max(len(sides), 4)
        channels = trunk_channels(config.width, 2, sides, blocks)
        after = trunk_sides(sides, blocks)
        self.feature_dim = channels[-1]
        self.blocks = nn.ModuleList(
            [DownsamplingBlock(context.image_channels, channels[0], spectral_norm=normalized, first=True)]
        )
        for (inputs, outputs), (before, side) in zip(pairwise(channels), pairwise(after), strict=True):
            block = DownsamplingBlock if side < before else ResidualBlock
            self.blocks.append(block(inputs, outputs, spectral_norm=normalized))
        self.attentions = attentions("discriminator.attention", config.attention, after, channels, normalized)

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`cganzoo.networks.Discriminator`."""
        x = images
        for block, attention in zip(self.blocks, self.attentions, strict=True):
            x = attention(block(x))
        return F.relu(x).sum((2, 3))


def length_of_part(latent_dim: int, parts: int) -> int:
    """Length of each of the equal parts of the noise.

    Raises:
        CganzooError: ``latent_dim`` is not divisible by ``parts``.
    """
    length, rest = divmod(latent_dim, parts)
    if rest:
        possible = " or ".join(str(multiple * parts) for multiple in (length, length + 1) if multiple)
        raise CganzooError(
            f"generator.latent_dim = {latent_dim}, but the biggan generator splits the noise into {parts} equal parts "
            f"at this image size, one for the first layer and one for each block; write {possible}"
        )
    return length
