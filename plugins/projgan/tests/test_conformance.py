"""ProjGAN as the zoo asks it of every loss."""

from __future__ import annotations

from cganzoo.testing import LossConformance


class TestProjGAN(LossConformance):
    name = "cganzoo-projgan/projgan"
