"""The projection discriminator (arXiv:1802.05637)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cganzoo import BuildContext, LossSpec, hookimpl

from .config import ProjGANConfig

if TYPE_CHECKING:
    from cganzoo.objective import Reference

    from .loss import ProjGAN


def build(config: ProjGANConfig, context: BuildContext) -> ProjGAN:
    """See :class:`cganzoo_projgan.loss.ProjGAN`."""
    from .loss import ProjGAN

    return ProjGAN(config, context)


def formula(config: ProjGANConfig) -> Reference:
    """See :mod:`cganzoo_projgan.reference`."""
    from . import reference

    return reference


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[ProjGANConfig]]:
    """The loss ``projgan``."""
    yield LossSpec(
        name="projgan",
        summary="The score contains the inner product of the features and a class embedding",
        config=ProjGANConfig,
        build=build,
        reference=formula,
        conditioning=lambda config: "conditional",
        paper="arXiv:1802.05637",
    )
