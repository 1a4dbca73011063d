"""Regularizers that a recipe adds to any loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cganzoo import RegularizerSpec, hookimpl

from .config import (
    BCRConfig,
    CRConfig,
    DRAGANConfig,
    GradientPenaltyConfig,
    LeCamConfig,
    NoOptions,
    OrthogonalConfig,
    ZCRConfig,
)


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
    yield RegularizerSpec(
        name="gradient_penalty",
        summary="WGAN-GP: the slope of the score is 1 between real and fake images",
        config=GradientPenaltyConfig,
        build="cganzoo_regularizers.gradients:GradientPenalty",
        weight=10.0,
        paper="arXiv:1704.00028",
    )
    yield RegularizerSpec(
        name="dragan",
        summary="The slope of the score is 1 near real images",
        config=DRAGANConfig,
        build="cganzoo_regularizers.gradients:DRAGAN",
        weight=10.0,
        paper="arXiv:1705.07215",
    )
    yield RegularizerSpec(
        name="cr",
        summary="Consistency of the discriminator for two views of a real image",
        config=CRConfig,
        build="cganzoo_regularizers.consistency:CR",
        weight=10.0,
        paper="arXiv:1910.12027",
    )
    yield RegularizerSpec(
        name="bcr",
        summary="Balanced consistency: for two views of real images and of fakes",
        config=BCRConfig,
        build="cganzoo_regularizers.consistency:BCR",
        weight=10.0,
        paper="arXiv:2002.04724",
    )
    yield RegularizerSpec(
        name="zcr",
        summary="Latent consistency: the discriminator ignores noise in the latents, the generator shows it",
        config=ZCRConfig,
        build="cganzoo_regularizers.latents:ZCR",
        weight=1.0,
        paper="arXiv:2002.04724",
    )
    yield RegularizerSpec(
        name="lecam",
        summary="Scores stay close to the moving average of the other kind of image",
        config=LeCamConfig,
        build="cganzoo_regularizers.lecam:LeCam",
        weight=0.3,
        paper="arXiv:2104.03310",
    )
    yield RegularizerSpec(
        name="orthogonal",
        summary="Filters of a layer are orthogonal to each other, of any norm",
        config=OrthogonalConfig,
        build="cganzoo_regularizers.orthogonal:Orthogonal",
        weight=1e-4,
        paper="arXiv:1809.11096",
    )
