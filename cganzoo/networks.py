"""What generator and discriminator plugins subclass."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Generator(nn.Module):
    """Noise and class label to image.

    Attributes:
        latent_dim: length of one noise vector.
        conditional: whether ``labels`` influence the image.
    """

    latent_dim: int
    conditional: bool

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Noise (N, latent_dim) and labels (N,) int64 to images (N, C, H, W) in [-1, 1].

        An unconditional generator takes ``labels`` and leaves them alone.
        """
        raise NotImplementedError

    def initialize(self, z: Tensor, labels: Tensor) -> None:
        """Data-dependent initialisation, called once with the first batch before the first step. Optional."""

    def sample_latent(self, count: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        """Noise for ``count`` images, (count, latent_dim): standard normal unless a subclass says otherwise."""
        return torch.randn(count, self.latent_dim, device=device, generator=generator)


class Discriminator(nn.Module):
    """A trunk: images to features. It knows nothing of classes; the loss owns the heads.

    Attributes:
        feature_dim: D, the length of one feature vector.
        batch_statistics: whether a sample's features depend on the rest of its batch (batch normalisation). Such a
            trunk sees real and fake images in separate passes; any other sees them in one.
    """

    feature_dim: int
    batch_statistics: bool = False

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] to features (N, feature_dim)."""
        raise NotImplementedError

    def initialize(self, images: Tensor) -> None:
        """Data-dependent initialisation, called once with a real batch before the first step. Optional."""
