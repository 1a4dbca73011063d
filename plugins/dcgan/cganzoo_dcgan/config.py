"""Options of the dcgan networks; the defaults are those of the paper for images of 32 px."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cganzoo import Config, Scalar, Since, at_least

Parametrization = Literal["weight_norm", "spectral_norm", "none"]

_PARAMETRIZATION = (
    "Parametrization of all weights: weight_norm (one gain per output channel, initialised on the first batch), "
    "spectral_norm, or none."
)


class DCGANGeneratorConfig(Config):
    """Options of the generator ``dcgan``."""

    conditional: bool = Field(True, description="Whether the one-hot class label is concatenated with the noise.")
    class_strength: Annotated[Scalar, at_least(0), Since("0.2")] = Field(
        1.0,
        description="Factor of the one-hot class label; with 0, the generator is an unconditional one. A schedule from "
        "0 to 1 is transitional training (arXiv:2201.06578).",
    )
    latent_dim: int = Field(100, ge=1, description="Length of the noise vector.")
    width: int = Field(96, ge=1, description="Channels at full resolution; doubles with each halving down to 4x4.")
    batch_norm: bool = Field(True, description="Batch normalisation after every layer except the last.")
    parametrization: Parametrization = Field("weight_norm", description=_PARAMETRIZATION)


class DCGANDiscriminatorConfig(Config):
    """Options of the discriminator trunk ``dcgan``."""

    width: int = Field(64, ge=1, description="Channels at full resolution; doubles with each halving down to 4x4.")
    extra_conv: bool = Field(
        False, description="One more convolution at 4x4; the paper adds it for conditional generators."
    )
    input_noise: Annotated[Scalar, at_least(0)] = Field(
        0.1, description="Standard deviation of the noise added to images in training."
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="Dropout rate after every layer in training.")
    batch_norm: bool = Field(
        True, description="Batch normalisation after every layer, always with the statistics of the batch."
    )
    parametrization: Parametrization = Field("weight_norm", description=_PARAMETRIZATION)
