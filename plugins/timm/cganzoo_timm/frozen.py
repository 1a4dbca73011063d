"""Weights that are never trained are buffers: they are in no optimizer, and get no gradient."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def freeze(network: nn.Module, *, persistent: bool) -> None:
    """Make every parameter of ``network`` a buffer. ``persistent``: whether its state dict has its tensors."""
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            delattr(module, name)
            module.register_buffer(name, parameter.detach())
        if not persistent:
            for name, buffer in list(module.named_buffers(recurse=False, remove_duplicate=False)):
                module.register_buffer(name, buffer, persistent=False)


class RandomConv2d(nn.Module):
    """A convolution with random weights that are never trained; it keeps the variance of its input (Kaiming)."""

    weight: Tensor

    def __init__(self, inputs: int, outputs: int, kernel_size: int) -> None:
        super().__init__()
        weight = torch.empty(outputs, inputs, kernel_size, kernel_size)
        self.register_buffer("weight", nn.init.kaiming_normal_(weight, nonlinearity="linear"))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, inputs, H, W) to (N, outputs, H, W)."""
        return F.conv2d(maps, self.weight, padding="same")
