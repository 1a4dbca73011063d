"""Conformance checks of the stylegan2 networks, its loss and its regularizer."""

from __future__ import annotations

from typing import ClassVar

import pytest

from cganzoo.testing import DiscriminatorConformance, GeneratorConformance, LossConformance, RegularizerConformance


class TestGenerator(GeneratorConformance):
    name = "cganzoo-stylegan2/stylegan2"
    image_sizes = (8,)


@pytest.mark.slow
class TestUnconditionalGenerator(GeneratorConformance):
    name = "cganzoo-stylegan2/stylegan2"
    options: ClassVar = {"conditional": False, "style_mixing": 0.0}
    image_sizes = (8,)


class TestDiscriminator(DiscriminatorConformance):
    name = "cganzoo-stylegan2/stylegan2"
    image_sizes = (8,)


@pytest.mark.slow
class TestPlainDiscriminator(DiscriminatorConformance):
    name = "cganzoo-stylegan2/stylegan2"
    options: ClassVar = {"residual": False, "group_size": 3}
    image_sizes = (8,)


class TestLoss(LossConformance):
    name = "cganzoo-stylegan2/stylegan2"


class TestPathLength(RegularizerConformance):
    name = "cganzoo-stylegan2/path_length"
