"""AM-GAN (arXiv:1703.02000)."""

from __future__ import annotations

from collections.abc import Iterable

from cganzoo import LossSpec, hookimpl

from .config import AMGANConfig


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[AMGANConfig]]:
    """The loss ``amgan``."""
    yield LossSpec(
        name="amgan",
        summary="Each sample climbs the logit of one real class among K + 1",
        config=AMGANConfig,
        build="cganzoo_amgan.loss:AMGAN",
        reference="cganzoo_amgan.reference",
        conditioning=lambda config: "conditional" if config.labeling == "predefined" else "unconditional",
        paper="arXiv:1703.02000",
    )
