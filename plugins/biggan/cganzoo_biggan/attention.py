"""Self-attention over the positions of a feature map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import prepared


class SelfAttention(nn.Module):
    """The self-attention of SAGAN (arXiv:1805.08318, section 3): x + gate * output(values attention^T).

    Every position compares its query with the keys of all positions, and adds the values of those that match. Keys and
    values are max-pooled by 2, as in BigGAN. The gate is 0 at the start, so the layer begins as the identity.

    Args:
        channels: C, of the feature map. Queries and keys have C/8 channels, values C/2.
        spectral_norm: whether the four layers are normalised.
    """

    def __init__(self, channels: int, *, spectral_norm: bool) -> None:
        super().__init__()
        keys, values = max(channels // 8, 1), max(channels // 2, 1)
        self.query = prepared(nn.Conv2d(channels, keys, 1, bias=False), spectral_norm=spectral_norm)
        self.key = prepared(nn.Conv2d(channels, keys, 1, bias=False), spectral_norm=spectral_norm)
        self.value = prepared(nn.Conv2d(channels, values, 1, bias=False), spectral_norm=spectral_norm)
        self.output = prepared(nn.Conv2d(values, channels, 1, bias=False), spectral_norm=spectral_norm)
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        queries = self.query(x).flatten(2)  # (N, C/8, HW)
        keys = F.max_pool2d(self.key(x), 2).flatten(2)  # (N, C/8, HW/4)
        values = F.max_pool2d(self.value(x), 2).flatten(2)  # (N, C/2, HW/4)
        attention = torch.softmax(queries.mT @ keys, 2)  # (N, HW, HW/4)
        attended = (values @ attention.mT).view(-1, values.shape[1], *x.shape[2:])
        change: Tensor = self.output(attended)
        return x + self.gate * change
