"""Conformance checks of the sngan networks."""

from __future__ import annotations

from typing import ClassVar

import pytest

from cganzoo.testing import DiscriminatorConformance, GeneratorConformance


class TestGenerator(GeneratorConformance):
    name = "sngan"
    options: ClassVar = {"width": 2, "latent_dim": 5}
    image_sizes = (8, 28)


@pytest.mark.slow
class TestUnconditionalGeneratorWithSpectralNorm(GeneratorConformance):
    name = "sngan"
    options: ClassVar = {"width": 1, "latent_dim": 5, "conditional": False, "spectral_norm": True}
    image_sizes = (8,)


class TestDiscriminator(DiscriminatorConformance):
    name = "sngan"
    options: ClassVar = {"width": 3}
    image_sizes = (8, 28)


@pytest.mark.slow
class TestDiscriminatorWithoutSpectralNorm(DiscriminatorConformance):
    name = "sngan"
    options: ClassVar = {"width": 2, "spectral_norm": False}
    image_sizes = (8,)
