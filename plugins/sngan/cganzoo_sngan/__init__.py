"""SN-ResNet networks of SNGAN and the projection discriminator for cganzoo (arXiv:1802.05957)."""

from __future__ import annotations

from collections.abc import Iterable

from cganzoo import DiscriminatorSpec, GeneratorSpec, hookimpl

from .config import SNGANDiscriminatorConfig, SNGANGeneratorConfig


@hookimpl
def cganzoo_generators() -> Iterable[GeneratorSpec[SNGANGeneratorConfig]]:
    """The generator ``sngan``."""
    yield GeneratorSpec(
        name="sngan",
        summary="ResNet with conditional batch normalisation, 8 to 256 px",
        config=SNGANGeneratorConfig,
        build="cganzoo_sngan.generator:SNGANGenerator",
        conditional=lambda config: config.conditional,
        paper="arXiv:1802.05957",
        small={"width": 4},
    )


@hookimpl
def cganzoo_discriminators() -> Iterable[DiscriminatorSpec[SNGANDiscriminatorConfig]]:
    """The discriminator trunk ``sngan``."""
    yield DiscriminatorSpec(
        name="sngan",
        summary="ResNet with spectral normalisation, 8 to 256 px",
        config=SNGANDiscriminatorConfig,
        build="cganzoo_sngan.discriminator:SNGANDiscriminator",
        paper="arXiv:1802.05957",
        small={"width": 4},
    )
