"""Handing features that the host has computed to torchmetrics, which expects to compute them."""

from __future__ import annotations

from torch import Tensor, nn


class HostFeatures(nn.Module):
    """A "feature network" for torchmetrics that passes features through, in float64.

    ``num_features`` spares torchmetrics from trying the network on a random image.
    """

    def __init__(self, feature_dim: int) -> None:
        super().__init__()
        self.num_features = feature_dim

    def forward(self, features: Tensor) -> Tensor:
        """(N, D) to (N, D) float64."""
        return features.double()
