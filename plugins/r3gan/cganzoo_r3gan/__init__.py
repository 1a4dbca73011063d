"""R3GAN (arXiv:2501.05441)."""

from __future__ import annotations

from collections.abc import Iterable

from cganzoo import LossSpec, hookimpl

from .config import R3GANConfig


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[R3GANConfig]]:
    """The loss ``r3gan``."""
    yield LossSpec(
        name="r3gan",
        summary="Each fake is compared with a real image of its class; add the regularizers r1 and r2",
        config=R3GANConfig,
        build="cganzoo_r3gan.loss:R3GAN",
        reference="cganzoo_r3gan.reference",
        conditioning=lambda config: "conditional",
        paper="arXiv:2501.05441",
    )
