"""The projection discriminator (arXiv:1802.05637)."""

from __future__ import annotations

from collections.abc import Iterable

from cganzoo import LossSpec, hookimpl

from .config import ProjGANConfig


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[ProjGANConfig]]:
    """The loss ``projgan``."""
    yield LossSpec(
        name="projgan",
        summary="The score contains the inner product of the features and a class embedding",
        config=ProjGANConfig,
        build="cganzoo_projgan.loss:ProjGAN",
        reference="cganzoo_projgan.reference",
        conditioning=lambda config: "conditional",
        paper="arXiv:1802.05637",
    )
