"""Conformance checks of the AC-GAN family."""

from __future__ import annotations

from cganzoo.testing import LossConformance


class TestGAN(LossConformance):
    name = "cganzoo-acgan/gan"


class TestGANStar(LossConformance):
    name = "cganzoo-acgan/gan_star"


class TestACGAN(LossConformance):
    name = "cganzoo-acgan/acgan"


class TestACGANStar(LossConformance):
    name = "cganzoo-acgan/acgan_star"


class TestACGANStarPlus(LossConformance):
    name = "cganzoo-acgan/acgan_star_plus"
