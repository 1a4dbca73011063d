"""Conformance checks of the regularizers."""

from __future__ import annotations

from cganzoo.testing import RegularizerConformance


class TestR1(RegularizerConformance):
    name = "cganzoo-regularizers/r1"


class TestR2(RegularizerConformance):
    name = "cganzoo-regularizers/r2"


class TestGradientPenalty(RegularizerConformance):
    name = "cganzoo-regularizers/gradient_penalty"


class TestDRAGAN(RegularizerConformance):
    name = "cganzoo-regularizers/dragan"


class TestCR(RegularizerConformance):
    name = "cganzoo-regularizers/cr"


class TestBCR(RegularizerConformance):
    name = "cganzoo-regularizers/bcr"


class TestZCR(RegularizerConformance):
    name = "cganzoo-regularizers/zcr"


class TestLeCam(RegularizerConformance):
    name = "cganzoo-regularizers/lecam"


class TestOrthogonal(RegularizerConformance):
    name = "cganzoo-regularizers/orthogonal"
