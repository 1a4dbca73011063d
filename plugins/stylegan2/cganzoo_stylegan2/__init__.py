"""StyleGAN2 networks, its conditional loss and path length regularization (arXiv:1912.04958, arXiv:2006.06676)."""

from __future__ import annotations

from collections.abc import Iterable

from cganzoo import DiscriminatorSpec, GeneratorSpec, LossSpec, RegularizerSpec, hookimpl

from .config import PathLengthConfig, StyleGAN2DiscriminatorConfig, StyleGAN2GeneratorConfig, StyleGAN2LossConfig


@hookimpl
def cganzoo_generators() -> Iterable[GeneratorSpec[StyleGAN2GeneratorConfig]]:
    """The generator ``stylegan2``."""
    yield GeneratorSpec(
        name="stylegan2",
        summary="Mapping network, modulated convolutions and skip connections, 8 to 256 px",
        config=StyleGAN2GeneratorConfig,
        build="cganzoo_stylegan2.generator:StyleGAN2Generator",
        conditional=lambda config: config.conditional,
        paper="arXiv:1912.04958",
        small={"latent_dim": 8, "code_dim": 8, "mapping_layers": 2, "max_width": 8, "width": 4},
    )


@hookimpl
def cganzoo_discriminators() -> Iterable[DiscriminatorSpec[StyleGAN2DiscriminatorConfig]]:
    """The discriminator trunk ``stylegan2``."""
    yield DiscriminatorSpec(
        name="stylegan2",
        summary="Residual convolutions and minibatch standard deviation, 8 to 256 px",
        config=StyleGAN2DiscriminatorConfig,
        build="cganzoo_stylegan2.discriminator:StyleGAN2Discriminator",
        paper="arXiv:1912.04958",
        small={"max_width": 8, "width": 4},
    )


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[StyleGAN2LossConfig]]:
    """The loss ``stylegan2``."""
    yield LossSpec(
        name="stylegan2",
        summary="The score is the inner product of the features and the mapped class",
        config=StyleGAN2LossConfig,
        build="cganzoo_stylegan2.loss:StyleGAN2Loss",
        reference="cganzoo_stylegan2.reference",
        conditioning=lambda config: "conditional",
        paper="arXiv:2006.06676",
        small={"embedding_dim": 8, "mapping_layers": 2},
    )


@hookimpl
def cganzoo_regularizers() -> Iterable[RegularizerSpec[PathLengthConfig]]:
    """The regularizer ``path_length``."""
    yield RegularizerSpec(
        name="path_length",
        summary="A step in the codes changes images by the same length everywhere",
        config=PathLengthConfig,
        build="cganzoo_stylegan2.path_length:PathLength",
        weight=2.0,
        every=4,
        paper="arXiv:1912.04958",
    )
