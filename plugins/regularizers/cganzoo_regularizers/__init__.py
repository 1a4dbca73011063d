"""Regularizers that a recipe adds to any loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cganzoo import RegularizerSpec, hookimpl

from .config import NoOptions


@hookimpl
def cganzoo_regularizers() -> Iterable[RegularizerSpec[Any]]:
    """The regularizers."""
    yield RegularizerSpec(
        name="r1",
        summary="Gradient penalty on real images",
        config=NoOptions,
        build="cganzoo_regularizers.gradients:R1",
        weight=10.0,
        paper="arXiv:1801.04406",
    )
    yield RegularizerSpec(
        name="r2",
        summary="Gradient penalty on fakes",
        config=NoOptions,
        build="cganzoo_regularizers.gradients:R2",
        weight=10.0,
        paper="arXiv:1801.04406",
    )
