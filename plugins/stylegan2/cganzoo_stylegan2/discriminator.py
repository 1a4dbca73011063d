"""The discriminator trunk of StyleGAN2 (arXiv:1912.04958, figure 7)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.layers import SmoothDownsample, SmoothFilter
from cganzoo.networks import Discriminator, resolutions

from .config import StyleGAN2DiscriminatorConfig
from .layers import EPS, EqualizedConv2d, EqualizedLinear, ScaledLeakyReLU
from .widths import channels


class StyleGAN2Discriminator(Discriminator):
    """Image -> blocks that halve the sides -> minibatch standard deviation -> convolution -> linear layer to features.

    Args:
        config: the options.
        context: size and channels of the images.

    Raises:
        CganzooError: an image size that the networks cannot have.
    """

    batch_statistics = True  # by the minibatch standard deviation

    def __init__(self, config: StyleGAN2DiscriminatorConfig, context: BuildContext) -> None:
        super().__init__()
        sides = resolutions(context.image_size, "stylegan2")[::-1]
        widths = [channels(side, config.width, config.max_width) for side in sides]
        block = ResidualBlock if config.residual else Block
        last = self.feature_dim = widths[-1]
        self.body = nn.Sequential(
            EqualizedConv2d(context.image_channels, widths[0], 1),
            ScaledLeakyReLU(),
            *(block(wide, narrow) for wide, narrow in pairwise(widths)),
            MinibatchDeviation(config.group_size),
            EqualizedConv2d(last + 1, last, 3),
            ScaledLeakyReLU(),
            nn.Flatten(),
            EqualizedLinear(last * sides[-1] ** 2, last),
            ScaledLeakyReLU(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`cganzoo.networks.Discriminator`."""
        features: Tensor = self.body(images)
        return features


class Block(nn.Module):
    """Two convolutions; the second one halves the sides."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            EqualizedConv2d(inputs, inputs, 3),
            ScaledLeakyReLU(),
            SmoothFilter(padding=2),
            EqualizedConv2d(inputs, outputs, 3, stride=2),
            ScaledLeakyReLU(),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, inputs, H, W) to (N, outputs, H/2, W/2)."""
        halved: Tensor = self.body(maps)
        return halved


class ResidualBlock(Block):
    """The same plus a 1x1 convolution of the inputs; the sum is divided by sqrt(2), so its variance stays."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.skip = nn.Sequential(SmoothDownsample(), EqualizedConv2d(inputs, outputs, 1, bias=False))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, inputs, H, W) to (N, outputs, H/2, W/2)."""
        summed: Tensor = super().forward(maps) + self.skip(maps)
        return summed / 2**0.5


class MinibatchDeviation(nn.Module):
    """Appends a map that says how much the images of a group differ (arXiv:1710.10196, section 3).

    It is the standard deviation over the group, averaged over channels and positions. A batch is divided into as few
    groups as possible, whose sizes differ by at most one, so every batch size works.

    Args:
        group_size: largest size of a group.
    """

    def __init__(self, group_size: int) -> None:
        super().__init__()
        self.group_size = group_size

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, C, H, W) to (N, C + 1, H, W)."""
        count, _, height, width = maps.shape
        groups = -(-count // self.group_size)
        group = torch.arange(count, device=maps.device) % groups
        members = F.one_hot(group, groups).to(maps.dtype).T
        members = members / members.sum(1, keepdim=True)  # a product with it is the mean over each group
        flat = maps.flatten(1)
        squares = (flat - (members @ flat)[group]).square()
        deviations = (members @ squares + EPS).sqrt().mean(1)
        return torch.cat([maps, deviations[group][:, None, None, None].expand(-1, -1, height, width)], 1)
