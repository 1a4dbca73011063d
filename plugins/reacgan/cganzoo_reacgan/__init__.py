"""ReACGAN (arXiv:2111.01118)."""

from __future__ import annotations

from collections.abc import Iterable

from cganzoo import LossSpec, hookimpl

from .config import ReACGANConfig


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[ReACGANConfig]]:
    """The loss ``reacgan``."""
    yield LossSpec(
        name="reacgan",
        summary="Real/fake loss, and data-to-data cross-entropy (D2D-CE) on the unit hypersphere",
        config=ReACGANConfig,
        build="cganzoo_reacgan.loss:ReACGAN",
        reference="cganzoo_reacgan.reference",
        conditioning=lambda config: "conditional",
        paper="arXiv:2111.01118",
    )
