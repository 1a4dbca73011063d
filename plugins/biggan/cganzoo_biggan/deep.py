"""The generator and the discriminator trunk of BigGAN-deep: arXiv:1809.11096, appendix B, tables 7 to 9."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.networks import Discriminator, Generator, class_weights, resolutions

from .channels import attentions, generator_channels, trunk_channels, trunk_sides
from .config import BigGANDeepDiscriminatorConfig, BigGANDeepGeneratorConfig
from .deep_blocks import DeepGeneratorStage, DeepTrunkBlock
from .layers import prepared, to_images


class BigGANDeepGenerator(Generator):
    """Generator: a linear layer to the smallest maps, two bottlenecks for each doubling, one convolution to pixels.

    All of the noise, concatenated with the class embedding, is the input of the linear layer and the condition of all
    batch normalisations.

    Args:
        config: the options.
        context: number of classes, and size and channels of the images.

    Raises:
        CganzooError: the image size or the place of the self-attention is impossible.
    """

    mixes_classes = True

    def __init__(self, config: BigGANDeepGeneratorConfig, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        self.latent_dim, self.conditional, self.num_classes = config.latent_dim, config.conditional, context.num_classes
        sides, normalized = resolutions(context.image_size, "biggan_deep"), config.spectral_norm
        channels = generator_channels(config.width, sides)
        condition_dim = config.latent_dim
        if config.conditional:
            self.embedding = prepared(nn.Linear(context.num_classes, config.class_dim, bias=False), spectral_norm=False)
            condition_dim += config.class_dim
        self.smallest = channels[0], sides[0], sides[0]
        self.linear = prepared(nn.Linear(condition_dim, channels[0] * sides[0] ** 2), spectral_norm=normalized)
        self.stages = nn.ModuleList(
            DeepGeneratorStage(inputs, outputs, condition_dim, spectral_norm=normalized)
            for inputs, outputs in pairwise(channels)
        )
        self.attentions = attentions("generator.attention", config.attention, sides[1:], channels[1:], normalized)
        self.to_images = to_images(channels[-1], context.image_channels, spectral_norm=normalized)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """See :class:`cganzoo.networks.Generator`."""
        condition = z
        if self.conditional:
            condition = torch.cat([self.embedding(class_weights(labels, self.num_classes, z.dtype)), z], 1)
        x = self.linear(condition).unflatten(1, self.smallest)
        for stage, attention in zip(self.stages, self.attentions, strict=True):
            x = attention(stage(x, condition))
        images: Tensor = self.to_images(x)
        return images


class BigGANDeepDiscriminator(Discriminator):
    """Trunk: a convolution, two bottlenecks for each size of the maps, and the sum over positions.

    For images of less than 64 px, there are three sizes, and the first two (below 16 px: the first one) of them halve
    the maps; else all halve them, down to 4 to 7 pixels.

    Args:
        config: the options.
        context: size and channels of the images.

    Raises:
        CganzooError: the image size or the place of the self-attention is impossible.
    """

    def __init__(self, config: BigGANDeepDiscriminatorConfig, context: BuildContext) -> None:
        super().__init__()
        normalized = config.spectral_norm
        sides = resolutions(context.image_size, "biggan_deep")
        stages = max(len(sides) - 1, 3)
        channels = trunk_channels(config.width, 4, sides, stages + 1)
        after = trunk_sides(sides, stages)
        self.feature_dim = channels[-1]
        self.from_images = prepared(
            nn.Conv2d(context.image_channels, channels[0], 3, padding=1), spectral_norm=normalized
        )
        self.stages = nn.ModuleList(
            nn.Sequential(
                DeepTrunkBlock(inputs, outputs, downsamples=side < before, spectral_norm=normalized),
                DeepTrunkBlock(outputs, outputs, downsamples=False, spectral_norm=normalized),
            )
            for (inputs, outputs), (before, side) in zip(
                pairwise(channels), pairwise([context.image_size, *after]), strict=True
            )
        )
        self.attentions = attentions("discriminator.attention", config.attention, after, channels[1:], normalized)

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`cganzoo.networks.Discriminator`."""
        x = self.from_images(images)
        for stage, attention in zip(self.stages, self.attentions, strict=True):
            x = attention(stage(x))
        return F.relu(x).sum((2, 3))
