"""Discriminator trunk on features of timm models for cganzoo, after Projected GANs (arXiv:2111.01007)."""

from __future__ import annotations

from collections.abc import Iterable

from cganzoo import DiscriminatorSpec, hookimpl

from .config import TimmDiscriminatorConfig


@hookimpl
def cganzoo_discriminators() -> Iterable[DiscriminatorSpec[TimmDiscriminatorConfig]]:
    """The discriminator trunk ``timm``."""
    yield DiscriminatorSpec(
        name="timm",
        summary="Frozen or trained features of any timm model, mixed at random, and small heads",
        config=TimmDiscriminatorConfig,
        build="cganzoo_timm.networks:TimmDiscriminator",
        paper="arXiv:2111.01007",
        small={"model": "test_resnet", "weights": "random", "input_size": 32, "width": 4, "head_dim": 4},
    )
