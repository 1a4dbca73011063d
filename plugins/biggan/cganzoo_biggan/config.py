"""Options of the biggan networks; the defaults are the published settings for CIFAR-10."""

from __future__ import annotations

from pydantic import Field

from cganzoo import Config

_ATTENTION = "Side in pixels of the feature maps to which self-attention is applied, or 0 for no self-attention."
_SPECTRAL_NORM = "Divide each weight matrix by its largest singular value"


class BigGANGeneratorConfig(Config):
    """Options of the generator ``biggan``."""

    conditional: bool = Field(True, description="Whether the images depend on the class.")
    latent_dim: int = Field(
        80,
        ge=1,
        description="Length of the noise vector, which is split into equal parts: one for the first layer and one for "
        "each block.",
    )
    class_dim: int = Field(128, ge=1, description="Length of the class embedding that all blocks share.")
    width: int = Field(96, ge=1, description="Number of channels of which all layers have a multiple.")
    attention: int = Field(16, ge=0, description=_ATTENTION)
    spectral_norm: bool = Field(True, description=f"{_SPECTRAL_NORM}, except the class embedding.")


class BigGANDiscriminatorConfig(Config):
    """Options of the discriminator trunk ``biggan``."""

    width: int = Field(96, ge=1, description="Number of channels of which all layers have a multiple.")
    attention: int = Field(16, ge=0, description=_ATTENTION)
    spectral_norm: bool = Field(True, description=f"{_SPECTRAL_NORM}.")


class BigGANDeepGeneratorConfig(BigGANGeneratorConfig):
    """Options of the generator ``biggan_deep``."""

    latent_dim: int = Field(128, ge=1, description="Length of the noise vector.")
    width: int = Field(128, ge=1, description="Number of channels of which all layers have a multiple.")


class BigGANDeepDiscriminatorConfig(BigGANDiscriminatorConfig):
    """Options of the discriminator trunk ``biggan_deep``."""

    width: int = Field(128, ge=1, description="Number of channels of which all layers have a multiple.")
