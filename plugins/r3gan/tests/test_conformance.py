"""Conformance checks of R3GAN."""

from __future__ import annotations

from cganzoo.testing import LossConformance


class TestR3GAN(LossConformance):
    name = "cganzoo-r3gan/r3gan"
