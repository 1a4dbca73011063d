"""Options of the stylegan2 networks, of the loss and of the regularizer; the defaults are those of the papers."""

from __future__ import annotations

from pydantic import Field

from cganzoo import AdversarialRule, Config

_WIDTH = "Channels at 512 px; doubles with each halving of the resolution, up to `max_width`."
_MAX_WIDTH = "Largest number of channels."
_MAPPING_LAYERS = "Layers of the mapping network"


class StyleGAN2GeneratorConfig(Config):
    """Options of the generator ``stylegan2``."""

    conditional: bool = Field(True, description="Whether the mapping network also gets the embedded class.")
    latent_dim: int = Field(512, ge=1, description="Length of the noise vector.")
    code_dim: int = Field(512, ge=1, description="Length of the intermediate code w, and of the embedded class.")
    mapping_layers: int = Field(8, ge=1, description=f"{_MAPPING_LAYERS}, from noise to code.")
    max_width: int = Field(512, ge=1, description=_MAX_WIDTH)
    width: int = Field(64, ge=1, description=_WIDTH)
    style_mixing: float = Field(
        0.9,
        ge=0,
        le=1,
        description="Share of the images in training that are made from the codes of two noise vectors.",
    )


class StyleGAN2DiscriminatorConfig(Config):
    """Options of the discriminator trunk ``stylegan2``."""

    max_width: int = Field(512, ge=1, description=_MAX_WIDTH)
    width: int = Field(64, ge=1, description=_WIDTH)
    residual: bool = Field(True, description="Whether blocks are residual; the configuration for CIFAR-10 uses false.")
    group_size: int = Field(
        4, ge=1, description="Largest number of images over which the minibatch standard deviation is computed."
    )


class StyleGAN2LossConfig(Config):
    """Options of the loss ``stylegan2``."""

    adversarial: AdversarialRule = Field("logistic", description="Loss of the score; the papers use logistic.")
    embedding_dim: int = Field(512, ge=1, description="Length of the mapped class and of the projected features.")
    mapping_layers: int = Field(8, ge=1, description=f"{_MAPPING_LAYERS} of the class.")


class PathLengthConfig(Config):
    """Options of the regularizer ``path_length``."""

    decay: float = Field(0.99, ge=0, lt=1, description="Decay of the moving average of the lengths.")
