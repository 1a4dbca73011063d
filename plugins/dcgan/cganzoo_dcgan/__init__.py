"""The DCGAN-like generator and discriminator trunk of the AM-GAN paper."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cganzoo import BuildContext, DiscriminatorSpec, GeneratorSpec, hookimpl

from .config import DCGANDiscriminatorConfig, DCGANGeneratorConfig

if TYPE_CHECKING:
    from .networks import DCGANDiscriminator, DCGANGenerator


def build_generator(config: DCGANGeneratorConfig, context: BuildContext) -> DCGANGenerator:
    """See :class:`cganzoo_dcgan.networks.DCGANGenerator`."""
    from .networks import DCGANGenerator

    return DCGANGenerator(config, context)


def build_discriminator(config: DCGANDiscriminatorConfig, context: BuildContext) -> DCGANDiscriminator:
    """See :class:`cganzoo_dcgan.networks.DCGANDiscriminator`."""
    from .networks import DCGANDiscriminator

    return DCGANDiscriminator(config, context)


@hookimpl
def cganzoo_generators() -> Iterable[GeneratorSpec[DCGANGeneratorConfig]]:
    """The generator ``dcgan``."""
    yield GeneratorSpec(
        name="dcgan",
        summary="Linear layer and stride-2 deconvolutions, 8 to 128 px",
        config=DCGANGeneratorConfig,
        build=build_generator,
        conditional=lambda config: config.conditional,
        paper="arXiv:1703.02000",
    )


@hookimpl
def cganzoo_discriminators() -> Iterable[DiscriminatorSpec[DCGANDiscriminatorConfig]]:
    """The discriminator trunk ``dcgan``."""
    yield DiscriminatorSpec(
        name="dcgan",
        summary="Stride-2 convolutions with input noise and dropout, 8 to 128 px",
        config=DCGANDiscriminatorConfig,
        build=build_discriminator,
        paper="arXiv:1703.02000",
    )
