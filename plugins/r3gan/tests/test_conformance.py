"""Conformance checks of R3GAN: the loss and the networks."""

from __future__ import annotations

from typing import ClassVar

from cganzoo.testing import DiscriminatorConformance, GeneratorConformance, LossConformance


class TestR3GAN(LossConformance):
    name = "cganzoo-r3gan/r3gan"


class TestGenerator(GeneratorConformance):
    name = "r3gan"
    options: ClassVar = {"width": 8, "groups": 4, "blocks": 1, "full_width": 8, "latent_dim": 6, "class_dim": 5}
    image_sizes = (16, 10)


class TestUnconditionalGenerator(GeneratorConformance):
    name = "r3gan"
    options: ClassVar = {"width": 4, "groups": 2, "blocks": 1, "latent_dim": 6, "conditional": False}
    image_sizes = (8,)


class TestDiscriminator(DiscriminatorConformance):
    name = "r3gan"
    options: ClassVar = {"width": 8, "groups": 4, "blocks": 1, "full_width": 8}
    image_sizes = (16, 10)
