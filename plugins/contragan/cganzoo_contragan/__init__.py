"""ContraGAN (arXiv:2006.12681)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cganzoo import BuildContext, LossSpec, hookimpl

from .config import ContraGANConfig

if TYPE_CHECKING:
    from cganzoo.objective import Reference

    from .loss import ContraGAN


def build(config: ContraGANConfig, context: BuildContext) -> ContraGAN:
    """See :class:`cganzoo_contragan.loss.ContraGAN`."""
    from .loss import ContraGAN

    return ContraGAN(config, context)


def formula(config: ContraGANConfig) -> Reference:
    """See :mod:`cganzoo_contragan.reference`."""
    from . import reference

    return reference


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[ContraGANConfig]]:
    """The loss ``contragan``."""
    yield LossSpec(
        name="contragan",
        summary="Real/fake loss, and a conditional contrastive loss (2C) between samples and class proxies",
        config=ContraGANConfig,
        build=build,
        reference=formula,
        conditioning=lambda config: "conditional",
        paper="arXiv:2006.12681",
    )
