"""timm networks for small images: built from scratch, with a stem that keeps the resolution, or halves it."""

from __future__ import annotations

import difflib
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

from cganzoo.config import ClassifierConfig
from cganzoo.errors import RecipeError

from . import densenet

SMALL = 64
"""Up to this size (pixels) the stem is changed."""


@dataclass(frozen=True)
class Shape:
    """What a network takes and tells apart."""

    image_channels: int
    image_size: int
    num_classes: int


def build(config: ClassifierConfig, shape: Shape, where: str) -> tuple[Any, int]:
    """A timm network for such images, its weights drawn from torch's global generator, and the size of its features.

    For images of up to 64 pixels the stem becomes one of stride ``config.stem_stride`` without pooling in the families
    that :data:`STEMS` lists; other families keep the stem they have, which suits larger images.

    Args:
        config: the model, its width and the stride of its stem.
        shape: of the images, and the number of classes.
        where: what messages call the table of these options.

    Raises:
        RecipeError: there is no such model, or it does not take such images or options.
    """
    known = config.model == densenet.NAME or timm.is_model(config.model)
    if not known:
        names = [*timm.list_models(), densenet.NAME]
        close = difflib.get_close_matches(config.model, names, n=1)
        hint = f'did you mean "{close[0]}"?' if close else 'write one that timm.list_models() names, such as "resnet18"'
        raise RecipeError(f'{where}.model = "{config.model}" is no timm model; {hint}')
    options: dict[str, Any] = (
        {} if config.width is None else {"channels": tuple(config.width << stage for stage in range(4))}
    )
    create = densenet.create if config.model == densenet.NAME else timm.create_model
    try:
        network: Any = create(
            config.model, pretrained=False, in_chans=shape.image_channels, num_classes=shape.num_classes, **options
        )
        if shape.image_size <= SMALL:
            change_stem(network, shape.image_channels, config.stem_stride)
        with torch.no_grad():
            blank = torch.zeros(1, shape.image_channels, shape.image_size, shape.image_size)
            features, _ = features_and_logits(network.eval(), blank)
    except Exception as error:  # whatever a timm model says of a size or an option that it does not take
        raise RecipeError(
            f'{where}.model = "{config.model}" cannot be built for {shape.image_size}x{shape.image_size} '
            f"images{'' if config.width is None else f' with width = {config.width}'} ({error}); "
            'write a convolutional one, such as "resnet18" (width is for ResNets)'
        ) from error
    return network, features.shape[1]


def features_and_logits(network: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, D), what the last linear layer sees, and logits (N, K), what it makes of them."""
    features = network.forward_head(network.forward_features(images), pre_logits=True)
    return features, network.get_classifier()(features)


def change_stem(network: Any, image_channels: int, stride: int) -> None:
    """Give a network of a known family a stem of this stride in place; leave any other as it is."""
    for family, change in STEMS.items():
        if isinstance(network, family):
            change(network, image_channels, stride)
            return


def _resnet(network: Any, image_channels: int, stride: int) -> None:
    network.conv1 = nn.Conv2d(image_channels, network.bn1.num_features, 3, stride, padding=1, bias=False)
    network.maxpool = nn.Identity()


def _convnext(network: Any, image_channels: int, stride: int) -> None:
    # Patches of 4x4 pixels become overlapping ones of 3x3; a stem of two convolutions has its stride in the first.
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
    DenseNet: densenet.replace_stem,
    ConvNeXt: _convnext,
    EfficientNet: _efficientnet,
    MobileNetV3: _efficientnet,
    RegNet: _regnet,
}
"""Families of timm networks (ResNeXt and their like are ResNets), and what gives them a stem of some stride."""
