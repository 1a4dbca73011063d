"""Conformance checks of ProjGAN."""

from __future__ import annotations

from cganzoo.testing import LossConformance


class TestProjGAN(LossConformance):
    name = "cganzoo-projgan/projgan"
