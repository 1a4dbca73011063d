"""BigGAN and BigGAN-deep networks for cganzoo (arXiv:1809.11096)."""

from __future__ import annotations

from collections.abc import Iterable

from cganzoo import DiscriminatorSpec, GeneratorSpec, hookimpl

from .config import (
    BigGANDeepDiscriminatorConfig,
    BigGANDeepGeneratorConfig,
    BigGANDiscriminatorConfig,
    BigGANGeneratorConfig,
)

# 60 is divisible by the number of parts of the noise at every size up to 128 px.
_SMALL_GENERATOR = {"width": 2, "latent_dim": 60, "class_dim": 4, "attention": 0}
_SMALL_DISCRIMINATOR = {"width": 2, "attention": 0}


@hookimpl
def cganzoo_generators() -> Iterable[GeneratorSpec[BigGANGeneratorConfig]]:
    """The generators ``biggan`` and ``biggan_deep``."""
    yield GeneratorSpec(
        name="biggan",
        summary="ResNet with shared class embedding, hierarchical noise and self-attention, 8 to 256 px",
        config=BigGANGeneratorConfig,
        build="cganzoo_biggan.networks:BigGANGenerator",
        conditional=lambda config: config.conditional,
        paper="arXiv:1809.11096",
        small=_SMALL_GENERATOR,
    )
    yield GeneratorSpec(
        name="biggan_deep",
        summary="Deeper BigGAN of residual bottlenecks; every block gets all of the noise, 8 to 256 px",
        config=BigGANDeepGeneratorConfig,
        build="cganzoo_biggan.deep:BigGANDeepGenerator",
        conditional=lambda config: config.conditional,
        paper="arXiv:1809.11096",
        small=_SMALL_GENERATOR,
    )


@hookimpl
def cganzoo_discriminators() -> Iterable[DiscriminatorSpec[BigGANDiscriminatorConfig]]:
    """The discriminator trunks ``biggan`` and ``biggan_deep``."""
    yield DiscriminatorSpec(
        name="biggan",
        summary="ResNet with spectral normalisation and self-attention, 8 to 256 px",
        config=BigGANDiscriminatorConfig,
        build="cganzoo_biggan.networks:BigGANDiscriminator",
        paper="arXiv:1809.11096",
        small=_SMALL_DISCRIMINATOR,
    )
    yield DiscriminatorSpec(
        name="biggan_deep",
        summary="Deeper BigGAN trunk of residual bottlenecks, 8 to 256 px",
        config=BigGANDeepDiscriminatorConfig,
        build="cganzoo_biggan.deep:BigGANDeepDiscriminator",
        paper="arXiv:1809.11096",
        small=_SMALL_DISCRIMINATOR,
    )
