"""ECGAN (arXiv:2111.01035)."""

from __future__ import annotations

from collections.abc import Iterable

from cganzoo import LossSpec, hookimpl

from .config import ECGANConfig


@hookimpl
def cganzoo_losses() -> Iterable[LossSpec[ECGANConfig]]:
    """The loss ``ecgan``."""
    yield LossSpec(
        name="ecgan",
        summary="One K-class head is score, energy and classifier; variants 0 to UCE",
        config=ECGANConfig,
        build="cganzoo_ecgan.loss:build",
        reference="cganzoo_ecgan.reference",
        conditioning=lambda config: "conditional",
        paper="arXiv:2111.01035",
    )
