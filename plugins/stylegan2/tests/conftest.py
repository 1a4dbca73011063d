"""Small stylegan2 networks in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cganzoo_stylegan2 import cganzoo_discriminators, cganzoo_generators
from cganzoo_stylegan2.config import StyleGAN2DiscriminatorConfig, StyleGAN2GeneratorConfig
from cganzoo_stylegan2.discriminator import StyleGAN2Discriminator
from cganzoo_stylegan2.generator import StyleGAN2Generator
from torch import nn

from cganzoo import BuildContext

Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def generator() -> Make:
    """Makes a generator: ``generator(16, width=2)`` for 16 px, in float64, with weights as after some training."""
    (spec,) = cganzoo_generators()

    def make(size: int = 8, classes: int = 3, channels: int = 1, **options: Any) -> StyleGAN2Generator:
        config = StyleGAN2GeneratorConfig.model_validate({**spec.small, "max_width": 6, "latent_dim": 5, **options})
        context = BuildContext(num_classes=classes, image_size=size, image_channels=channels)
        network = StyleGAN2Generator(config, context).double()
        move(network)
        return network

    return make


@pytest.fixture
def trunk() -> Make:
    """Makes a trunk, likewise."""
    (spec,) = cganzoo_discriminators()

    def make(size: int = 8, channels: int = 1, **options: Any) -> StyleGAN2Discriminator:
        config = StyleGAN2DiscriminatorConfig.model_validate({**spec.small, "max_width": 6, **options})
        context = BuildContext(num_classes=3, image_size=size, image_channels=channels)
        network = StyleGAN2Discriminator(config, context).double()
        move(network)
        return network

    return make


@torch.no_grad()
def move(network: nn.Module) -> None:
    """Change the weights: noise, for example, has no effect in a new network."""
    for parameter in network.parameters():
        parameter.add_(torch.randn_like(parameter), alpha=0.2)
