"""LabelGAN: the discriminator with K + 1 classes of arXiv:1606.03498, in the form of arXiv:1703.02000."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cganzoo import BuildContext, LossSpec, hookimpl

from .config import LabelGANConfig

if TYPE_CHECKING:
    from cganzoo.objective import Reference

    from .loss import LabelGAN


def build(config: LabelGANConfig, context: BuildContext) -> LabelGAN:
    """See :class:`cganzoo_labelgan.loss.LabelGAN`."""
    from .loss import LabelGAN

    return LabelGAN(config, context)


def formula(config: LabelGANConfig) -> Reference:
    """See :mod:`cganzoo_labelgan.reference`."""
    from . import reference

    return reference


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[LabelGANConfig]]:
    """The loss ``labelgan``."""
    yield LossSpec(
        name="labelgan",
        summary="K + 1 classes in the discriminator; samples may have any real class",
        config=LabelGANConfig,
        build=build,
        reference=formula,
        paper="arXiv:1606.03498",
    )
