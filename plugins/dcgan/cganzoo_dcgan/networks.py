"""The generator and the discriminator trunk, after the AM-GAN paper's networks for 32 px (arXiv:1703.02000)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from cganzoo import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.networks import Discriminator, Generator, class_weights

from .config import DCGANDiscriminatorConfig, DCGANGeneratorConfig
from .layers import BATCH_NORM_EPS, LEAKY_SLOPE, normalize_preactivations, prepare


class DCGANGenerator(Generator):
    """Generator: noise (and a one-hot label if conditional) -> linear layer to 4x4 -> stride-2 deconvolutions.

    Args:
        config: the options.
        context: number of classes, and size (8, 16, 32, 64 or 128 px) and channels of the images.

    Raises:
        CganzooError: another image size.
    """

    mixes_classes = True

    class_strength: float | Tensor

    def __init__(self, config: DCGANGeneratorConfig, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        self.latent_dim = config.latent_dim
        self.conditional = config.conditional
        self.num_classes = context.num_classes
        self.hold(class_strength=config.class_strength)
        widths = channel_widths(config.width, context.image_size)[::-1]
        inputs = config.latent_dim + (context.num_classes if config.conditional else 0)
        self.linear = prepare(nn.Linear(inputs, widths[0] * 4 * 4), config.parametrization)
        layers = self._activation(widths[0])
        for wide, narrow in pairwise(widths):
            deconv = nn.ConvTranspose2d(wide, narrow, 3, stride=2, padding=1, output_padding=1)
            layers += [prepare(deconv, config.parametrization), *self._activation(narrow)]
        to_image = nn.Conv2d(widths[-1], context.image_channels, 3, padding=1)
        self.body = nn.Sequential(*layers, prepare(to_image, config.parametrization), nn.Tanh())

    def _activation(self, channels: int) -> list[nn.Module]:
        norm = [nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS)] if self.config.batch_norm else []
        return [*norm, nn.LeakyReLU(LEAKY_SLOPE)]

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """See :class:`cganzoo.networks.Generator`."""
        if self.conditional:
            classes = class_weights(labels, self.num_classes, z.dtype)
            z = torch.cat([z, classes if self.config.class_strength == 1 else self.class_strength * classes], 1)
        images: Tensor = self.body(self.linear(z).unflatten(1, (-1, 4, 4)))
        return images

    def initialize(self, z: Tensor, labels: Tensor) -> None:
        """With weight normalisation: give every layer's outputs on this batch mean 0 and variance 1."""
        if self.config.parametrization == "weight_norm":
            normalize_preactivations(self, z, labels)


class DCGANDiscriminator(Discriminator):
    """Trunk: a convolution at full resolution, stride-2 convolutions down to 4x4, and the average over positions.

    Args:
        config: the options.
        context: size (8, 16, 32, 64 or 128 px) and channels of the images.

    Raises:
        CganzooError: another image size.
    """

    input_noise: float | Tensor

    def __init__(self, config: DCGANDiscriminatorConfig, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        self.batch_statistics = config.batch_norm
        self.hold(input_noise=config.input_noise)
        widths = channel_widths(config.width, context.image_size)
        self.feature_dim = widths[-1]
        layers = self._block(context.image_channels, widths[0], stride=1)
        for narrow, wide in pairwise(widths):
            layers += self._block(narrow, wide, stride=2)
        if config.extra_conv:
            layers += self._block(widths[-1], widths[-1], stride=1)
        self.body = nn.Sequential(*layers)
        self.dropout = nn.Dropout(config.dropout)

    def _block(self, inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        config = self.config
        block: list[nn.Module] = [
            prepare(nn.Conv2d(inputs, outputs, 3, stride, padding=1), config.parametrization),
        ]
        if config.batch_norm:
            # The paper has no running averages: evaluation also uses the statistics of the batch.
            block.append(nn.BatchNorm2d(outputs, eps=BATCH_NORM_EPS, track_running_stats=False))
        return [*block, nn.LeakyReLU(LEAKY_SLOPE), nn.Dropout(config.dropout)]

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`cganzoo.networks.Discriminator`."""
        if self.training and self.config.input_noise != 0:  # a schedule is not equal to 0
            images = images + self.input_noise * torch.randn_like(images)
        features: Tensor = self.dropout(self.body(images).mean((2, 3)))
        return features

    def initialize(self, images: Tensor) -> None:
        """With weight normalisation: give every layer's outputs on this batch mean 0 and variance 1."""
        if self.config.parametrization == "weight_norm":
            normalize_preactivations(self, images)


def channel_widths(width: int, image_size: int) -> list[int]:
    """Channels at each resolution from ``image_size`` down to 4: ``width``, then doubled at each halving of the size.

    Raises:
        CganzooError: ``image_size`` is not 8, 16, 32, 64 or 128.
    """
    if image_size not in (8, 16, 32, 64, 128):
        raise CganzooError(
            f"data.image_size = {image_size}, but the dcgan networks make images of 8, 16, 32, 64 or 128 pixels; "
            "write one of these"
        )
    return [width << halvings for halvings in range((image_size // 4).bit_length())]
