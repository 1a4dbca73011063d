"""ContraGAN (arXiv:2006.12681)."""

from __future__ import annotations

from collections.abc import Iterable

from cganzoo import LossSpec, hookimpl

from .config import ContraGANConfig


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[ContraGANConfig]]:
    """The loss ``contragan``."""
    yield LossSpec(
        name="contragan",
        summary="Real/fake loss, and a conditional contrastive loss (2C) between samples and class proxies",
        config=ContraGANConfig,
        build="cganzoo_contragan.loss:ContraGAN",
        reference="cganzoo_contragan.reference",
        conditioning=lambda config: "conditional",
        paper="arXiv:2006.12681",
    )
