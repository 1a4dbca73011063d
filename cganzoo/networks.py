"""Base classes of generators and discriminators."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .errors import CganzooError
from .scheduled import Scheduled


class Generator(Scheduled):
    """Maps noise and class labels to images.

    A network that maps noise to an intermediate code first overrides :meth:`mapped` and :meth:`synthesized`, and its
    ``forward`` calls both.

    Attributes:
        latent_dim: length of a noise vector.
        conditional: whether the images depend on ``labels``.
        mixes_classes: whether ``labels`` may also be weights of the classes (N, K), as :func:`class_weights` allows:
            for images between classes.
    """

    _keeps_scheduled = True

    latent_dim: int
    conditional: bool
    mixes_classes: bool = False

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Map noise (N, latent_dim) and labels (N,) int64 to images (N, C, H, W) in [-1, 1].

        An unconditional generator also receives ``labels``, and ignores them.
        """
        raise NotImplementedError

    def mapped(self, z: Tensor, labels: Tensor) -> Tensor:
        """The code (N, ..., D) that images are made from: the noise itself, unless the network has another."""
        return z

    def synthesized(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] from the codes of :meth:`mapped` and the same labels."""
        images: Tensor = self(codes, labels)
        return images

    def truncated(self, z: Tensor, labels: Tensor, truncation: float) -> Tensor:
        """Images of less variety, closer to the average: the smaller ``truncation``, the closer.

        Here, noise gets the normal distribution that is cut off at ``-truncation`` and ``truncation``
        (arXiv:1809.11096, section 3.1). Each value keeps its rank, so a sample resembles the one without truncation. A
        network with a mapping network replaces this by ``mean + truncation * (code - mean)``.

        Raises:
            CganzooError: the noise of this generator is not normal, or ``truncation`` is below 0.
        """
        if type(self).sample_latent is not Generator.sample_latent:
            raise CganzooError(f"{type(self).__name__} has noise of its own, which cannot be truncated")
        return self.synthesized(self.mapped(truncated_normal(z, truncation), labels), labels)

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


def resolutions(image_size: int, name: str, largest: int = 256) -> tuple[int, ...]:
    """Sides of the feature maps of a network that doubles them: from 4 to 7 pixels up to ``image_size``.

    32 gives (4, 8, 16, 32), and 96 gives (6, 12, 24, 48, 96).

    Args:
        image_size: side of the images, in pixels.
        name: of the networks, for the message.
        largest: largest side that the networks are made for.

    Raises:
        CganzooError: doubling does not lead to ``image_size``, or it is below 8 or above ``largest``.
    """
    possible = sorted(base << doublings for base in (4, 5, 6, 7) for doublings in range(1, largest.bit_length()))
    possible = [size for size in possible if size <= largest]
    if image_size not in possible:
        nearest = sorted(sorted(possible, key=lambda size: abs(size - image_size))[:2])
        raise CganzooError(
            f"data.image_size = {image_size}, but the {name} networks double feature maps of 4 to 7 pixels until they "
            f"have the size of the images, at most {largest}; write {nearest[0]} or {nearest[1]}"
        )
    sides = [image_size]
    while sides[0] > 7:
        sides.insert(0, sides[0] // 2)
    return tuple(sides)


def class_weights(labels: Tensor, num_classes: int, dtype: torch.dtype) -> Tensor:
    """Weights of the classes (N, K): one and zeros for labels (N,) int64; weights (N, K) stay what they are."""
    return (labels if labels.is_floating_point() else F.one_hot(labels, num_classes)).to(dtype)


def truncated_normal(z: Tensor, bound: float) -> Tensor:
    """Map standard normal values to the normal distribution between ``-bound`` and ``bound``; their order stays.

    Raises:
        CganzooError: ``bound`` is below 0.
    """
    if not bound >= 0:
        raise CganzooError(f"truncation = {bound}: must be 0 or more")
    inside = torch.special.erf(torch.tensor(bound / 2**0.5, dtype=torch.float64))
    inverse = torch.special.erfinv(inside.to(z.device) * torch.special.erf(z.double() / 2**0.5)) * 2**0.5
    # Values so far out that float64 rounds their probability to 1 would become infinite.
    truncated: Tensor = inverse.clamp(-bound, bound)
    return truncated.to(z.dtype)
