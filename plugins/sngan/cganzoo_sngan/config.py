"""Options of the sngan networks; the defaults are the papers'."""

from __future__ import annotations

from pydantic import Field

from cganzoo import Config


class SNGANGeneratorConfig(Config):
    """Options of the generator ``sngan``."""

    conditional: bool = Field(
        True, description="Whether gains and biases of the batch normalisation depend on the class."
    )
    latent_dim: int = Field(128, ge=1, description="Length of the noise vector.")
    width: int = Field(64, ge=1, description="Unit of the number of channels: 4 units at 32 px, 16 down to 1 at 64 px.")
    spectral_norm: bool = Field(False, description="Spectral normalisation of the linear layer and all convolutions.")


class SNGANDiscriminatorConfig(Config):
    """Options of the discriminator trunk ``sngan``."""

    width: int = Field(64, ge=1, description="Unit of the number of channels: 2 units at 32 px, 1 up to 16 at 64 px.")
    spectral_norm: bool = Field(True, description="Spectral normalisation of all convolutions (arXiv:1802.05957).")
