"""Layers of all networks here: initial weights, spectral normalisation, conditional batch normalisation."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

BATCH_NORM_EPS = 1e-4

Layer = TypeVar("Layer", bound=nn.Linear | nn.Conv2d)


def prepared(layer: Layer, *, spectral_norm: bool) -> Layer:
    """The layer with orthogonal weights (arXiv:1312.6120) and biases of 0, spectrally normalised if asked."""
    nn.init.orthogonal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    if spectral_norm:
        parametrizations.spectral_norm(layer)
    return layer


class ConditionalBatchNorm2d(nn.Module):
    """Batch normalisation whose gain and bias are linear in a condition: (1 + G c) * x_normalised + B c.

    Args:
        channels: of the feature map.
        condition_dim: length of the condition c of an image.
        spectral_norm: whether G and B are normalised.
    """

    def __init__(self, channels: int, condition_dim: int, *, spectral_norm: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS, affine=False)
        self.gain = prepared(nn.Linear(condition_dim, channels, bias=False), spectral_norm=spectral_norm)
        self.bias = prepared(nn.Linear(condition_dim, channels, bias=False), spectral_norm=spectral_norm)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map (N, C, H, W) and conditions (N, condition_dim) to (N, C, H, W)."""
        gain, bias = 1 + self.gain(condition), self.bias(condition)
        return torch.addcmul(bias[:, :, None, None], self.norm(x), gain[:, :, None, None])


def to_images(channels: int, image_channels: int, *, spectral_norm: bool) -> nn.Sequential:
    """The last layers of a generator: batch normalisation, ReLU, 3x3 convolution to pixels, tanh."""
    return nn.Sequential(
        nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS),
        nn.ReLU(inplace=True),
        prepared(nn.Conv2d(channels, image_channels, 3, padding=1), spectral_norm=spectral_norm),
        nn.Tanh(),
    )
