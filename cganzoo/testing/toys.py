"""The smallest networks that a component can be tried with: smooth, deterministic, every weight in use."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cganzoo.networks import Discriminator, Generator

LATENT_DIM = 6
FEATURE_DIM = 5


class ToyGenerator(Generator):
    """Noise and class to image through two linear layers; with ``conditional=False`` the class is left alone."""

    latent_dim = LATENT_DIM

    def __init__(self, num_classes: int, image_size: int = 8, channels: int = 1, *, conditional: bool = True) -> None:
        super().__init__()
        self.conditional = conditional
        self.shape = (channels, image_size, image_size)
        self.classes = nn.Embedding(num_classes, LATENT_DIM) if conditional else None
        self.hidden = nn.Linear(LATENT_DIM, 32)
        self.pixels = nn.Linear(32, channels * image_size**2)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Noise (N, LATENT_DIM) and labels (N,) to images (N, C, H, W) in [-1, 1]."""
        if self.classes is not None:
            z = z + self.classes(labels)
        return torch.tanh(self.pixels(torch.tanh(self.hidden(z)))).view(-1, *self.shape)


class ToyTrunk(Discriminator):
    """Image to features through two linear layers; no batch statistics."""

    feature_dim = FEATURE_DIM

    def __init__(self, image_size: int = 8, channels: int = 1) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels * image_size**2, 32)
        self.features = nn.Linear(32, FEATURE_DIM)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to features (N, FEATURE_DIM)."""
        return torch.tanh(self.features(torch.tanh(self.hidden(images.flatten(1)))))
