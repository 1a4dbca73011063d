"""ECGAN (arXiv:2111.01035)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cganzoo import BuildContext, LossSpec, hookimpl

from .config import ECGANConfig

if TYPE_CHECKING:
    from cganzoo.objective import Reference

    from .loss import ECGAN


def build(config: ECGANConfig, context: BuildContext) -> ECGAN:
    """See :class:`cganzoo_ecgan.loss.ECGAN`."""
    from .loss import ECGAN, ContrastiveECGAN

    return ContrastiveECGAN(config, context) if config.lambda_c != 0 else ECGAN(config, context)


def formula(config: ECGANConfig) -> Reference:
    """See :mod:`cganzoo_ecgan.reference`."""
    from . import reference

    return reference


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[ECGANConfig]]:
    """The loss ``ecgan``."""
    yield LossSpec(
        name="ecgan",
        summary="One K-class head is score, energy and classifier; variants 0 to UCE",
        config=ECGANConfig,
        build=build,
        reference=formula,
        conditioning=lambda config: "conditional",
        paper="arXiv:2111.01035",
    )
