"""AM-GAN (arXiv:1703.02000)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cganzoo import BuildContext, LossSpec, hookimpl

from .config import AMGANConfig

if TYPE_CHECKING:
    from cganzoo.objective import Reference

    from .loss import AMGAN


def build(config: AMGANConfig, context: BuildContext) -> AMGAN:
    """See :class:`cganzoo_amgan.loss.AMGAN`."""
    from .loss import AMGAN

    return AMGAN(config, context)


def formula(config: AMGANConfig) -> Reference:
    """See :mod:`cganzoo_amgan.reference`."""
    from . import reference

    return reference


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[AMGANConfig]]:
    """The loss ``amgan``."""
    yield LossSpec(
        name="amgan",
        summary="Each sample climbs the logit of one real class among K + 1",
        config=AMGANConfig,
        build=build,
        reference=formula,
        conditioning=lambda config: "conditional" if config.labeling == "predefined" else "unconditional",
        paper="arXiv:1703.02000",
    )
