"""Conformance checks of ReACGAN."""

from __future__ import annotations

from cganzoo.testing import LossConformance


class TestReACGAN(LossConformance):
    name = "cganzoo-reacgan/reacgan"
