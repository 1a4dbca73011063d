"""Conformance checks of the dcgan networks."""

from __future__ import annotations

from typing import ClassVar

from cganzoo.testing import DiscriminatorConformance, GeneratorConformance


class TestGenerator(GeneratorConformance):
    name = "dcgan"
    options: ClassVar = {"width": 8}
    image_sizes = (32, 8, 16, 64, 128)


class TestUnconditionalGenerator(GeneratorConformance):
    name = "dcgan"
    options: ClassVar = {"conditional": False, "parametrization": "spectral_norm", "width": 4}
    image_sizes = (8,)


class TestDiscriminator(DiscriminatorConformance):
    name = "dcgan"
    options: ClassVar = {"width": 8}
    image_sizes = (32, 8, 16, 64, 128)


class TestDiscriminatorWithoutBatchNorm(DiscriminatorConformance):
    name = "dcgan"
    options: ClassVar = {"batch_norm": False, "parametrization": "spectral_norm", "extra_conv": True, "width": 4}
    image_sizes = (8,)
