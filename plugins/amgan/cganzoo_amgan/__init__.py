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
        summary="K + 1 classes in the discriminator; each sample is pushed to one real class",
        config=AMGANConfig,
        build="cganzoo_amgan.loss:AMGAN",
        reference="cganzoo_amgan.reference",
        conditioning=lambda config: "conditional" if config.labeling == "predefined" else "unconditional",
        paper="arXiv:1703.02000",
    )
