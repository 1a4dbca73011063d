"""timm networks with random weights; for small images their stem keeps the resolution, or halves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import timm
import torch
from timm.models.convnext import ConvNeXt
from timm.models.densenet import DenseNet
from timm.models.efficientnet import EfficientNet
from timm.models.mobilenetv3 import MobileNetV3
from timm.models.regnet import RegNet
from timm.models.resnet import ResNet
from torch import Tensor, nn

from cganzoo._util.text import did_you_mean
from cganzoo.config import ClassifierConfig
from cganzoo.errors import RecipeError

SMALL = 64
"""Largest image size (pixels) for which the stem is changed."""
DENSENET_BC = "densenet_bc_40_40"
"""Growth rate 40, depth 40; see :func:`densenet_bc`."""


@dataclass(frozen=True)
class Shape:
    """Size of the images, and number of classes."""

    image_channels: int
    image_size: int
    num_classes: int


def build(config: ClassifierConfig, shape: Shape, where: str) -> tuple[Any, int]:
    """A timm network and the size of its features. The weights are drawn from torch's global generator.

    For images of up to 64 pixels, the families in :data:`STEMS` get a stem of stride ``config.stem_stride`` without
    pooling; other families keep their own stem. ``where`` names the table of the options in messages.
    """
    if config.model != DENSENET_BC and not timm.is_model(config.model):
        otherwise = 'write one that timm.list_models() names, such as "resnet18"'
        hint = did_you_mean(config.model, [*timm.list_models(), DENSENET_BC], otherwise)
        raise RecipeError(f'{where}.model = "{config.model}" is no timm model; {hint}')
    options: dict[str, Any] = {"in_chans": shape.image_channels, "num_classes": shape.num_classes}
    if config.width is not None:
        options["channels"] = tuple(config.width << stage for stage in range(4))
    try:
        network: Any = (
            densenet_bc(**options) if config.model == DENSENET_BC else timm.create_model(config.model, **options)
        )
        if shape.image_size <= SMALL:
            for family, change_stem in STEMS.items():
                if isinstance(network, family):
                    change_stem(network, shape.image_channels, config.stem_stride)
        with torch.no_grad():
            blank = torch.zeros(1, shape.image_channels, shape.image_size, shape.image_size)
            features, _ = features_and_logits(network.eval(), blank)
    except Exception as error:  # timm models raise different errors for sizes or options that they do not take
        raise RecipeError(
            f'{where}.model = "{config.model}" cannot be built for {shape.image_size}x{shape.image_size} '
            f"images{'' if config.width is None else f' with width = {config.width}'} ({error}); "
            'write a convolutional one, such as "resnet18" (width is for ResNets)'
        ) from error
    return network, features.shape[1]


def features_and_logits(network: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, D), the input of the last linear layer, and logits (N, K), its output."""
    features = network.forward_head(network.forward_features(images), pre_logits=True)
    return features, network.get_classifier()(features)


def densenet_bc(*, in_chans: int, num_classes: int) -> DenseNet:
    """DenseNet-BC with growth rate k = 40 and depth L = 40, as in its paper for images of 32 pixels.

    arXiv:1608.06993, section 3. Depth counts the stem, two layers (1x1 to 4k channels, then 3x3) for each of six
    bottlenecks in each of three blocks, a transition (1x1, halving the channels, then 2x2 mean) between blocks, and the
    last linear layer: 1 + 3 * 6 * 2 + 2 + 1 = 40. The stem is a 3x3 convolution of stride 1 to 2k channels, without
    normalisation or pooling after it; there is no dropout.
    """
    growth, depth, blocks = 40, 40, 3
    bottlenecks = (depth - 4) // (2 * blocks)
    network = DenseNet(
        growth_rate=growth, block_config=(bottlenecks,) * blocks, in_chans=in_chans, num_classes=num_classes
    )
    _densenet(network, in_chans, stride=1)
    network.features.norm0 = nn.Identity()
    return network


def _densenet(network: Any, image_channels: int, stride: int) -> None:
    network.features.conv0 = nn.Conv2d(
        image_channels, network.features.conv0.out_channels, 3, stride, padding=1, bias=False
    )
    nn.init.kaiming_normal_(network.features.conv0.weight)  # as the rest of a DenseNet
    network.features.pool0 = nn.Identity()


def _resnet(network: Any, image_channels: int, stride: int) -> None:
    network.conv1 = nn.Conv2d(image_channels, network.bn1.num_features, 3, stride, padding=1, bias=False)
    network.maxpool = nn.Identity()


def _convnext(network: Any, image_channels: int, stride: int) -> None:
    # Patches of 4x4 pixels become overlapping patches of 3x3. If there are two convolutions, the first has the stride.
    strides = iter((stride, 1))
    for index, layer in enumerate(network.stem):
        if isinstance(layer, nn.Conv2d):
            network.stem[index] = nn.Conv2d(layer.in_channels, layer.out_channels, 3, next(strides), padding=1)


def _efficientnet(network: Any, image_channels: int, stride: int) -> None:
    network.conv_stem.stride = (stride, stride)


def _regnet(network: Any, image_channels: int, stride: int) -> None:
    network.stem.conv.stride = (stride, stride)


STEMS: dict[type[nn.Module], Callable[[Any, int, int], None]] = {
    ResNet: _resnet,
    DenseNet: _densenet,
    ConvNeXt: _convnext,
    EfficientNet: _efficientnet,
    MobileNetV3: _efficientnet,
    RegNet: _regnet,
}
"""Families of timm networks (ResNeXt and others are ResNets), and the function that replaces their stem."""
