"""ECGAN as the zoo asks it of every loss."""

from __future__ import annotations

from cganzoo.testing import LossConformance


class TestECGAN(LossConformance):
    name = "cganzoo-ecgan/ecgan"
