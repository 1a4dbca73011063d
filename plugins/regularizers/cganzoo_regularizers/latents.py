"""Noise in the latents: the discriminator shall not see it, and the generator shall show it."""

from __future__ import annotations

import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.objective import Batch, Networks, Terms
from cganzoo.regularizer import Regularizer

from .config import ZCRConfig


class ZCR(Regularizer):
    """Latent consistency regularization (arXiv:2002.04724, algorithm 2)."""

    uses_score = True
    stochastic = True

    noise: float | Tensor
    discriminator_factor: float | Tensor
    generator_factor: float | Tensor

    def __init__(self, config: ZCRConfig, context: BuildContext) -> None:
        super().__init__()
        self.hold(
            noise=config.noise,
            discriminator_factor=config.discriminator_factor,
            generator_factor=config.generator_factor,
        )

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`: E |D(G(z)) - D(G(T(z)))|^2."""
        latents = latents_of(fake)
        others = networks.augmented(networks.images(self.noisy(latents), fake.labels))
        difference = networks.score_of(fake) - networks.score(others, fake.labels)
        return {"zcr": self.discriminator_factor * difference.square().mean()}

    def generator_penalty(self, fake: Batch, networks: Networks, real: Batch | None = None) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`: -E |G(z) - G(T(z))|^2, per pixel."""
        latents = latents_of(fake)
        # Both are generated here: the images of the batch are augmented, and batch statistics must be common to both.
        both = networks.images(torch.cat([latents, self.noisy(latents)]), fake.labels.repeat(2))
        images, others = both.chunk(2)
        return {"zcr": -self.generator_factor * (images - others).square().mean()}

    def noisy(self, latents: Tensor) -> Tensor:
        """T(z): latents (N, L) with Gaussian noise."""
        return latents + self.noise * torch.randn_like(latents)


def latents_of(fake: Batch) -> Tensor:
    """The latents (N, L) of fakes, which always have some."""
    assert fake.latents is not None
    return fake.latents
