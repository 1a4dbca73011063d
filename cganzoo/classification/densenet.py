"""DenseNet-BC as its paper has it for images of 32 pixels (arXiv:1608.06993, section 3)."""

from __future__ import annotations

from typing import Any

from timm.models.densenet import DenseNet
from torch import nn

NAME = "densenet_bc_40_40"
"""Growth rate 40, depth 40."""

GROWTH, DEPTH, BLOCKS = 40, 40, 3


def create(name: str, *, pretrained: bool, in_chans: int, num_classes: int) -> Any:
    """DenseNet-BC with growth rate k = 40 and depth L = 40, called as ``timm.create_model`` is.

    Depth counts the stem, two layers (1x1 to 4k channels, then 3x3) for each of six bottlenecks in each of three
    blocks, a transition (1x1, halving the channels, then 2x2 mean) between blocks, and the last linear layer:
    1 + 3 * 6 * 2 + 2 + 1 = 40. The stem is a 3x3 convolution of stride 1 to 2k channels, with neither normalisation nor
    pooling after it; there is no dropout.
    """
    assert name == NAME
    assert not pretrained
    bottlenecks = (DEPTH - 4) // (2 * BLOCKS)
    network = DenseNet(
        growth_rate=GROWTH, block_config=(bottlenecks,) * BLOCKS, in_chans=in_chans, num_classes=num_classes
    )
    replace_stem(network, in_chans, stride=1)
    network.features.norm0 = nn.Identity()
    return network


def replace_stem(network: Any, image_channels: int, stride: int) -> None:
    """Give any timm DenseNet a 3x3 convolution without pooling for a stem."""
    channels = network.features.conv0.out_channels
    network.features.conv0 = nn.Conv2d(image_channels, channels, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(network.features.conv0.weight)  # as the rest of a DenseNet
    network.features.pool0 = nn.Identity()
