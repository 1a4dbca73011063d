"""Conformance checks of LabelGAN."""

from __future__ import annotations

from cganzoo.testing import LossConformance


class TestLabelGAN(LossConformance):
    name = "cganzoo-labelgan/labelgan"
