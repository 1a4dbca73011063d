"""R3GAN (arXiv:2501.05441): its loss, and its networks without normalisation."""

from __future__ import annotations

from collections.abc import Iterable

from cganzoo import DiscriminatorSpec, GeneratorSpec, LossSpec, hookimpl

from .config import R3GANConfig, R3GANDiscriminatorConfig, R3GANGeneratorConfig

SMALL = {"width": 8, "groups": 8, "blocks": 1}


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[R3GANConfig]]:
    """The loss ``r3gan``."""
    yield LossSpec(
        name="r3gan",
        summary="Each fake is compared with a real image of its class; add the regularizers r1 and r2",
        config=R3GANConfig,
        build="cganzoo_r3gan.loss:R3GAN",
        reference="cganzoo_r3gan.reference",
        conditioning=lambda config: "conditional",
        paper="arXiv:2501.05441",
    )


@hookimpl
def cganzoo_generators() -> Iterable[GeneratorSpec[R3GANGeneratorConfig]]:
    """The generator ``r3gan``."""
    yield GeneratorSpec(
        name="r3gan",
        summary="ResNet without normalisation, grouped convolutions, 8 to 256 px",
        config=R3GANGeneratorConfig,
        build="cganzoo_r3gan.networks:R3GANGenerator",
        conditional=lambda config: config.conditional,
        paper="arXiv:2501.05441",
        small=SMALL,
    )


@hookimpl
def cganzoo_discriminators() -> Iterable[DiscriminatorSpec[R3GANDiscriminatorConfig]]:
    """The discriminator trunk ``r3gan``."""
    yield DiscriminatorSpec(
        name="r3gan",
        summary="ResNet without normalisation, grouped convolutions, 8 to 256 px",
        config=R3GANDiscriminatorConfig,
        build="cganzoo_r3gan.networks:R3GANDiscriminator",
        paper="arXiv:2501.05441",
        small=SMALL,
    )
