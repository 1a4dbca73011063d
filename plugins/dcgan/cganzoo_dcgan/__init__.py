"""The DCGAN-like generator and discriminator trunk of the AM-GAN paper (arXiv:1703.02000)."""

from __future__ import annotations

from collections.abc import Iterable

from cganzoo import DiscriminatorSpec, GeneratorSpec, hookimpl

from .config import DCGANDiscriminatorConfig, DCGANGeneratorConfig


@hookimpl
def cganzoo_generators() -> Iterable[GeneratorSpec[DCGANGeneratorConfig]]:
    """The generator ``dcgan``."""
    yield GeneratorSpec(
        name="dcgan",
        summary="Linear layer and stride-2 deconvolutions, 8 to 128 px",
        config=DCGANGeneratorConfig,
        build="cganzoo_dcgan.networks:DCGANGenerator",
        conditional=lambda config: config.conditional,
        paper="arXiv:1703.02000",
        small={"width": 8},
    )


@hookimpl
def cganzoo_discriminators() -> Iterable[DiscriminatorSpec[DCGANDiscriminatorConfig]]:
    """The discriminator trunk ``dcgan``."""
    yield DiscriminatorSpec(
        name="dcgan",
        summary="Stride-2 convolutions with input noise and dropout, 8 to 128 px",
        config=DCGANDiscriminatorConfig,
        build="cganzoo_dcgan.networks:DCGANDiscriminator",
        paper="arXiv:1703.02000",
        small={"width": 8},
    )
