"""Layers of both networks: initial weights, parametrization, and data-dependent initialisation."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from .config import Parametrization

LEAKY_SLOPE = 0.2
BATCH_NORM_EPS = 1e-3

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def prepare(layer: Layer, parametrization: Parametrization) -> Layer:
    """Parametrise ``layer`` and initialise it as in the paper: weights N(0, 0.05²) truncated at 2 sigma, biases 0."""
    nn.init.trunc_normal_(layer.weight, std=0.05, a=-0.1, b=0.1)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    if parametrization == "weight_norm":
        output_dim = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        parametrizations.weight_norm(layer, dim=output_dim)
    elif parametrization == "spectral_norm":
        parametrizations.spectral_norm(layer)
    return layer


@torch.no_grad()
def normalize_preactivations(network: nn.Module, *inputs: Tensor) -> None:
    """Set the gain and bias of a weight-normalised network's layers so that their outputs have mean 0 and variance 1.

    Statistics are per output channel, over batch and positions; a constant channel keeps its gain. Layers are set in
    the order in which they run, and each layer gets the normalised outputs of the layers before it (arXiv:1602.07868,
    eq. 5 and 6).
    """

    def normalize(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> Tensor:
        gain, bias = layer.get_parameter("parametrizations.weight.original0"), layer.get_parameter("bias")
        std, mean = torch.std_mean(output, [d for d in range(output.dim()) if d != 1], correction=0, keepdim=True)
        std = std.where(std > 1e-6, 1.0)
        gain.div_(std.view_as(gain))
        bias.sub_(mean.flatten()).div_(std.flatten())
        return (output - mean) / std

    layers = [layer for layer in network.modules() if parametrize.is_parametrized(layer, "weight")]
    hooks = [layer.register_forward_hook(normalize) for layer in layers]
    try:
        network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
