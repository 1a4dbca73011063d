"""The trunk: a timm model, random mixing of its maps, and a small trained head on each (arXiv:2111.01007, fig. 1-3)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from cganzoo import BuildContext
from cganzoo.networks import Discriminator

from .backbone import Backbone
from .config import TimmDiscriminatorConfig
from .frozen import RandomConv2d
from .resize import resize

Shapes = list[tuple[int, int]]
"""Channels and side of each map."""


class TimmDiscriminator(Discriminator):
    """Trunk: maps of a timm model -> frozen random mixing -> a trained head on each map -> their vectors, concatenated.

    Args:
        config: the options.
        context: size and channels of the images; any size.

    Raises:
        CganzooError: timm has no such model, it has no feature maps or not these, it does not take images of this size
            or number of channels, or its weights are not found or are of another network.
    """

    def __init__(self, config: TimmDiscriminatorConfig, context: BuildContext) -> None:
        super().__init__()
        self.backbone = Backbone(config, context)
        shapes = self.backbone.shapes
        self.mixing: nn.Module = nn.Identity()
        if config.mixing != "none":
            self.mixing = (ScaleMixing if config.mixing == "scales" else ChannelMixing)(shapes, config.width)
            shapes = [(config.width, side) for _, side in shapes]
        self.heads = nn.ModuleList(
            head(channels, side, config.width, config.head_dim, config.spectral_norm) for channels, side in shapes
        )
        self.feature_dim = len(shapes) * config.head_dim

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`cganzoo.networks.Discriminator`."""
        maps = self.mixing(self.backbone(images))
        return torch.cat([one(features) for one, features in zip(self.heads, maps, strict=True)], 1)


class ChannelMixing(nn.ModuleList):
    """Cross-channel mixing (section 3.2): a random 1x1 convolution of each map, to ``width`` channels."""

    def __init__(self, shapes: Shapes, width: int) -> None:
        super().__init__(RandomConv2d(channels, width, 1) for channels, _ in shapes)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """The mixed maps, of the same sizes."""
        return [convolution(one) for convolution, one in zip(self, maps, strict=True)]


class ScaleMixing(nn.Module):
    """Cross-scale mixing (section 3.2), after the cross-channel mixing: from the coarsest map to the finest.

    Each map gets the mixed coarser one, resized, and then passes a random 3x3 convolution.
    """

    def __init__(self, shapes: Shapes, width: int) -> None:
        super().__init__()
        self.channels = ChannelMixing(shapes, width)
        self.convolutions = nn.ModuleList(RandomConv2d(width, width, 3) for _ in shapes)
        self.resizes = nn.ModuleList(resize(coarse, fine) for (_, fine), (_, coarse) in pairwise(shapes))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """The mixed maps, of the same sizes."""
        *finer, coarsest = self.channels(maps)
        mixed = [self.convolutions[-1](coarsest)]
        for number in reversed(range(len(finer))):
            mixed.insert(0, self.convolutions[number](finer[number] + self.resizes[number](mixed[0])))
        return mixed


def head(channels: int, side: int, width: int, outputs: int, spectral_norm: bool) -> nn.Sequential:
    """A trained head: stride-2 4x4 convolutions down to at most 4x4, and one of that size to a vector (N, outputs)."""
    layers: list[nn.Module] = []

    def add(convolution: nn.Conv2d) -> None:
        layers.extend(
            [parametrizations.spectral_norm(convolution) if spectral_norm else convolution, nn.LeakyReLU(0.2)]
        )

    while side > 4:
        add(nn.Conv2d(channels, width, 4, stride=2, padding=1))
        channels, side = width, side // 2
    add(nn.Conv2d(channels, outputs, side))
    return nn.Sequential(*layers, nn.Flatten())
