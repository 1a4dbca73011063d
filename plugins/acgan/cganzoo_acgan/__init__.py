"""GAN, GAN*, AC-GAN (arXiv:1610.09585), AC-GAN* and AC-GAN*+, as defined in arXiv:1703.02000."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from cganzoo import BuildContext, Conditioning, LossSpec, hookimpl

from .config import ACGANConfig, GANConfig, GANStarConfig

if TYPE_CHECKING:
    from cganzoo.objective import Reference

    from .loss import ACGAN, GAN, ACGANStar, ACGANStarPlus, GANStar


def build_gan(config: GANConfig, context: BuildContext) -> GAN:
    """See :class:`cganzoo_acgan.loss.GAN`."""
    from .loss import GAN

    return GAN(config, context)


def build_gan_star(config: GANStarConfig, context: BuildContext) -> GANStar:
    """See :class:`cganzoo_acgan.loss.GANStar`."""
    from .loss import GANStar

    return GANStar(config, context)


def build_acgan(config: ACGANConfig, context: BuildContext) -> ACGAN:
    """See :class:`cganzoo_acgan.loss.ACGAN`."""
    from .loss import ACGAN

    return ACGAN(config, context)


def build_acgan_star(config: ACGANConfig, context: BuildContext) -> ACGANStar:
    """See :class:`cganzoo_acgan.loss.ACGANStar`."""
    from .loss import ACGANStar

    return ACGANStar(config, context)


def build_acgan_star_plus(config: ACGANConfig, context: BuildContext) -> ACGANStarPlus:
    """See :class:`cganzoo_acgan.loss.ACGANStarPlus`."""
    from .loss import ACGANStarPlus

    return ACGANStarPlus(config, context)


def conditioning(config: ACGANConfig) -> Conditioning:
    """Predefined labeling needs a conditional generator, dynamic labeling an unconditional one."""
    return "conditional" if config.labeling == "predefined" else "unconditional"


def formula(name: str) -> Callable[[GANConfig], Reference]:
    """See :class:`cganzoo_acgan.reference.Formula`."""

    def load(config: GANConfig) -> Reference:
        from .reference import Formula

        return Formula(name)

    return load


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[Any]]:
    """The losses ``gan``, ``gan_star``, ``acgan``, ``acgan_star`` and ``acgan_star_plus``."""
    yield LossSpec(
        name="gan",
        summary="Real or fake; class labels play no part",
        config=GANConfig,
        build=build_gan,
        reference=formula("gan"),
        paper="arXiv:1406.2661",
    )
    yield LossSpec(
        name="gan_star",
        summary="GAN whose discriminator also classifies real samples",
        config=GANStarConfig,
        build=build_gan_star,
        reference=formula("gan_star"),
        paper="arXiv:1703.02000",
    )
    yield LossSpec(
        name="acgan",
        summary="GAN with an auxiliary classifier, trained on real and fake samples",
        config=ACGANConfig,
        build=build_acgan,
        reference=formula("acgan"),
        conditioning=conditioning,
        paper="arXiv:1610.09585",
    )
    yield LossSpec(
        name="acgan_star",
        summary="AC-GAN whose classifier is trained on real samples only",
        config=ACGANConfig,
        build=build_acgan_star,
        reference=formula("acgan_star"),
        conditioning=conditioning,
        paper="arXiv:1703.02000",
    )
    yield LossSpec(
        name="acgan_star_plus",
        summary="AC-GAN* whose classifier is also trained to be undecided on fakes",
        config=ACGANConfig,
        build=build_acgan_star_plus,
        reference=formula("acgan_star_plus"),
        conditioning=conditioning,
        paper="arXiv:1703.02000",
    )
