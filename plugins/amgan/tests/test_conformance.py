"""Conformance checks of AM-GAN."""

from __future__ import annotations

from cganzoo.testing import LossConformance


class TestAMGAN(LossConformance):
    name = "cganzoo-amgan/amgan"
