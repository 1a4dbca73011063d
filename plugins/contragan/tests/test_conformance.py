"""Conformance checks of ContraGAN."""

from __future__ import annotations

from cganzoo.testing import LossConformance


class TestContraGAN(LossConformance):
    name = "cganzoo-contragan/contragan"
