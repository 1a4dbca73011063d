"""Conformance checks of the trunk, on timm's own tiny networks."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from cganzoo.testing import DiscriminatorConformance

TINY: dict[str, Any] = {"weights": "random", "input_size": 32, "width": 4, "head_dim": 4}


class TestFrozen(DiscriminatorConformance):
    name = "timm"
    options: ClassVar = {"model": "test_resnet", **TINY}
    image_sizes = (16, 8, 48)


@pytest.mark.slow
class TestTrained(DiscriminatorConformance):
    name = "timm"
    options: ClassVar = {"model": "test_efficientnet", "trained": True, "mixing": "none", **TINY}
    image_sizes = (16,)


@pytest.mark.slow
class TestFrozenTransformer(DiscriminatorConformance):
    name = "timm"
    options: ClassVar = {"model": "test_vit", "mixing": "channels", "spectral_norm": False, **TINY}
    image_sizes = (16,)


@pytest.mark.slow
class TestTrainedTransformer(DiscriminatorConformance):
    name = "timm"
    options: ClassVar = {"model": "test_vit", "trained": True, **TINY}
    image_sizes = (16,)
