"""Conformance checks of the augmentations."""

from __future__ import annotations

from typing import ClassVar

from cganzoo.testing import AugmentationConformance


class TestDiffAugment(AugmentationConformance):
    name = "cganzoo-augment/diffaugment"


class TestAda(AugmentationConformance):
    name = "cganzoo-augment/ada"


class TestAdaOfAllTransforms(AugmentationConformance):
    name = "cganzoo-augment/ada"
    options: ClassVar = {"transforms": ["blit", "geom", "color", "filter", "noise", "cutout"]}


class TestAdaOfFixedProbability(AugmentationConformance):
    name = "cganzoo-augment/ada"
    options: ClassVar = {"p": 0.7}
