"""Conformance checks of the biggan networks."""

from __future__ import annotations

from typing import ClassVar

import pytest

from cganzoo.testing import DiscriminatorConformance, GeneratorConformance


class LongChecks:
    """The checks that take seconds, only with ``-m slow``."""

    @pytest.mark.slow
    def test_compiles_to_one_graph(self) -> None:
        super().test_compiles_to_one_graph()  # type: ignore[misc]

    @pytest.mark.slow
    def test_two_processes(self) -> None:
        super().test_two_processes()  # type: ignore[misc]

    @pytest.mark.slow
    def test_other_devices(self) -> None:
        super().test_other_devices()  # type: ignore[misc]


class TestGenerator(LongChecks, GeneratorConformance):
    name = "biggan"
    options: ClassVar = {"width": 2, "latent_dim": 6, "class_dim": 4, "attention": 8}
    image_sizes = (8,)


@pytest.mark.slow
class TestUnconditionalGenerator(LongChecks, GeneratorConformance):
    name = "biggan"
    options: ClassVar = {"width": 2, "latent_dim": 4, "conditional": False, "spectral_norm": False, "attention": 0}
    image_sizes = (8,)


class TestDiscriminator(LongChecks, DiscriminatorConformance):
    name = "biggan"
    options: ClassVar = {"width": 2, "attention": 4}
    image_sizes = (8,)


class TestDeepGenerator(LongChecks, GeneratorConformance):
    name = "biggan_deep"
    options: ClassVar = {"width": 2, "latent_dim": 6, "class_dim": 4, "attention": 8, "spectral_norm": False}
    image_sizes = (8,)


class TestDeepDiscriminator(LongChecks, DiscriminatorConformance):
    name = "biggan_deep"
    options: ClassVar = {"width": 2, "attention": 4, "spectral_norm": False}
    image_sizes = (8,)
