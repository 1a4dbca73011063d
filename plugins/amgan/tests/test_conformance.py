"""AMGAN as the zoo asks it of every loss."""

from __future__ import annotations

from cganzoo.testing import LossConformance


class TestAMGAN(LossConformance):
    name = "cganzoo-amgan/amgan"
