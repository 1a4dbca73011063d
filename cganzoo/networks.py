"""Base classes of generators and discriminators."""

from __future__ import annotations

import torch
from torch import Tensor

from .scheduled import Scheduled


class Generator(Scheduled):
    """Maps noise and class labels to images.

    Attributes:
        latent_dim: length of a noise vector.
        conditional: whether the images depend on ``labels``.
    """

    _keeps_scheduled = True

    latent_dim: int
    conditional: bool

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Map noise (N, latent_dim) and labels (N,) int64 to images (N, C, H, W) in [-1, 1].

        An unconditional generator also receives ``labels``, and ignores them.
        """
        raise NotImplementedError

    def initialize(self, z: Tensor, labels: Tensor) -> None:
        """Data-dependent initialisation: called once with a batch, before the first step. Optional."""

    def sample_latent(self, count: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        """Noise for ``count`` images, (count, latent_dim). Standard normal, unless a subclass changes it."""
        return torch.randn(count, self.latent_dim, device=device, generator=generator)


class Discriminator(Scheduled):
    """A trunk: maps images to features. It does not use classes: the heads belong to the loss.

    Attributes:
        feature_dim: D, the length of a feature vector.
        batch_statistics: whether a sample's features depend on the other samples of its batch, as with batch
            normalisation. Such a trunk processes real and fake images in two passes, any other in one.
    """

    _keeps_scheduled = True

    feature_dim: int
    batch_statistics: bool = False

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) in [-1, 1] to features (N, feature_dim)."""
        raise NotImplementedError

    def initialize(self, images: Tensor) -> None:
        """Data-dependent initialisation: called once with real images, before the first step. Optional."""
