"""GAN, GAN*, AC-GAN (arXiv:1610.09585), AC-GAN* and AC-GAN*+, as defined in arXiv:1703.02000."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from cganzoo import Conditioning, LossSpec, hookimpl

from .config import ACGANConfig, GANConfig, GANStarConfig

if TYPE_CHECKING:
    from cganzoo.objective import Reference


def conditioning(config: ACGANConfig) -> Conditioning:
    """Predefined labeling needs a conditional generator, dynamic labeling an unconditional one."""
    return "conditional" if config.labeling == "predefined" else "unconditional"


def formula(name: str) -> Callable[[GANConfig], Reference]:
    """Load :class:`cganzoo_acgan.reference.Formula` for one loss."""

    def load(config: GANConfig) -> Reference:
        from .reference import Formula

        return Formula(name)

    return load


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[Any]]:
    """The losses ``gan``, ``gan_star``, ``acgan``, ``acgan_star`` and ``acgan_star_plus``."""
    yield LossSpec(
        name="gan",
        summary="Real/fake loss; class labels are not used",
        config=GANConfig,
        build="cganzoo_acgan.loss:GAN",
        reference=formula("gan"),
        paper="arXiv:1406.2661",
    )
    yield LossSpec(
        name="gan_star",
        summary="GAN whose discriminator also classifies real samples",
        config=GANStarConfig,
        build="cganzoo_acgan.loss:GANStar",
        reference=formula("gan_star"),
        paper="arXiv:1703.02000",
    )
    yield LossSpec(
        name="acgan",
        summary="GAN with an auxiliary classifier, trained on real and fake samples",
        config=ACGANConfig,
        build="cganzoo_acgan.loss:ACGAN",
        reference=formula("acgan"),
        conditioning=conditioning,
        paper="arXiv:1610.09585",
    )
    yield LossSpec(
        name="acgan_star",
        summary="AC-GAN whose classifier is trained on real samples only",
        config=ACGANConfig,
        build="cganzoo_acgan.loss:ACGANStar",
        reference=formula("acgan_star"),
        conditioning=conditioning,
        paper="arXiv:1703.02000",
    )
    yield LossSpec(
        name="acgan_star_plus",
        summary="AC-GAN* whose classifier is also trained to be undecided on fakes",
        config=ACGANConfig,
        build="cganzoo_acgan.loss:ACGANStarPlus",
        reference=formula("acgan_star_plus"),
        conditioning=conditioning,
        paper="arXiv:1703.02000",
    )
