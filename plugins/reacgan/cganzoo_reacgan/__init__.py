"""ReACGAN (arXiv:2111.01118)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cganzoo import BuildContext, LossSpec, hookimpl

from .config import ReACGANConfig

if TYPE_CHECKING:
    from cganzoo.objective import Reference

    from .loss import ReACGAN


def build(config: ReACGANConfig, context: BuildContext) -> ReACGAN:
    """See :class:`cganzoo_reacgan.loss.ReACGAN`."""
    from .loss import ReACGAN

    return ReACGAN(config, context)


def formula(config: ReACGANConfig) -> Reference:
    """See :mod:`cganzoo_reacgan.reference`."""
    from . import reference

    return reference


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[ReACGANConfig]]:
    """The loss ``reacgan``."""
    yield LossSpec(
        name="reacgan",
        summary="Real/fake loss, and data-to-data cross-entropy (D2D-CE) on the unit hypersphere",
        config=ReACGANConfig,
        build=build,
        reference=formula,
        conditioning=lambda config: "conditional",
        paper="arXiv:2111.01118",
    )
