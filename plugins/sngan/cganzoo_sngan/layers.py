"""What both networks share: how many channels they have at each size, initial weights, and spectral normalisation."""

from __future__ import annotations

import math
from typing import TypeVar

from torch import nn
from torch.nn.utils import parametrizations

from cganzoo.networks import resolutions

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)

SQRT2 = math.sqrt(2)
"""Gain of a convolution whose inputs passed a ReLU, which halves their mean square."""

WIDTHS = {64: (1, 2, 4, 8, 16), 128: (1, 2, 4, 8, 16, 16), 256: (1, 2, 4, 8, 8, 16, 16)}
"""Channels at each size, in units of the width, from the largest maps to those of 4 to 7 pixels."""


def large_widths(image_size: int) -> tuple[int, ...] | None:
    """The :data:`WIDTHS` of images of 64 pixels or more; ``None`` for smaller ones, whose networks are uniform.

    Raises:
        CganzooError: doubling maps of 4 to 7 pixels does not lead to ``image_size``.
    """
    doublings = len(resolutions(image_size, "sngan")) - 1
    return WIDTHS.get(4 << doublings)


def prepare(layer: Layer, gain: float, spectral_norm: bool) -> Layer:
    """Initialise a layer: Xavier-uniform weights with this ``gain``, biases 0. Then parametrise it if asked to."""
    nn.init.xavier_uniform_(layer.weight, gain)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    if spectral_norm:
        parametrizations.spectral_norm(layer)
    return layer
