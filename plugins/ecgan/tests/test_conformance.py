"""Conformance checks of ECGAN."""

from __future__ import annotations

from cganzoo.testing import LossConformance


class TestECGAN(LossConformance):
    name = "cganzoo-ecgan/ecgan"
