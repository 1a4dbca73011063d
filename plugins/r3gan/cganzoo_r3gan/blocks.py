"""The parts of both networks (arXiv:2501.05441, Config E): no normalisation; the initial weights keep the variance.

For inputs of variance 1, the outputs of a layer with these weights have variance 1.
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))
"""With it, a layer of weights keeps the variance of what a leaky ReLU returns (arXiv:1502.01852)."""

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


class ResidualBlock(nn.Module):
    """Inverted bottleneck: x + W3 f(W2 f(W1 x + b1) + b2), with f the leaky ReLU; (N, C, H, W) to the same shape.

    W1 is a 1x1 convolution to more channels, W2 a 3x3 convolution in groups, W3 a 1x1 convolution back. W3 begins at
    zero, so a new block is the identity, and W1 and W2 are scaled by the fourth root of the number of blocks in the
    network (fix-up initialisation, arXiv:1901.09321).

    Args:
        channels: C.
        expanded: channels between the 1x1 convolutions.
        groups: of the 3x3 convolution; divides ``expanded``.
        depth: number of residual blocks in the network.
    """

    def __init__(self, channels: int, expanded: int, groups: int, depth: int) -> None:
        super().__init__()
        gain = GAIN * depth**-0.25
        self.expand = scaled(nn.Conv2d(channels, expanded, 1), gain)
        self.spatial = scaled(nn.Conv2d(expanded, expanded, 3, padding=1, groups=groups), gain)
        self.project = scaled(pointwise(expanded, channels), 0)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the block computes to its input."""
        y = F.leaky_relu(self.expand(x), SLOPE, inplace=True)
        y = F.leaky_relu(self.spatial(y), SLOPE, inplace=True)
        change: Tensor = self.project(y)
        return x + change


class GenerativeBasis(nn.Module):
    """The first maps of a generator: each channel is one learned map times a linear function of the code.

    (N, inputs) to (N, channels, side, side).
    """

    def __init__(self, inputs: int, channels: int, side: int) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.randn(channels, side, side))
        self.linear = scaled(nn.Linear(inputs, channels, bias=False))

    def forward(self, code: Tensor) -> Tensor:
        """Scale the maps."""
        scales: Tensor = self.linear(code)
        return self.basis * scales[:, :, None, None]


class DiscriminativeBasis(nn.Module):
    """The last layers of a discriminator: the inner product of each channel with one learned map, and a linear layer.

    (N, channels, side, side) to (N, outputs).
    """

    def __init__(self, channels: int, side: int, outputs: int) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.randn(channels, side, side) / side)
        self.linear = scaled(nn.Linear(channels, outputs, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Multiply, sum over positions, and mix the channels."""
        features: Tensor = self.linear((x * self.basis).sum((2, 3)))
        return features


def pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    """A 1x1 convolution without bias that keeps the variance."""
    return scaled(nn.Conv2d(inputs, outputs, 1, bias=False))


def scaled(layer: Layer, gain: float = 1.0) -> Layer:
    """Initialise ``layer``: weights N(0, gain² / inputs of an output), biases 0."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
