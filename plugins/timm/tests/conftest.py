"""Trunks on timm's own tiny networks, and files of their weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
from cganzoo_timm.config import TimmDiscriminatorConfig
from cganzoo_timm.networks import TimmDiscriminator

from cganzoo import BuildContext

Make = Callable[..., TimmDiscriminator]


@pytest.fixture(scope="session")
def make() -> Make:
    """``make(channels=1, trained=True)``: a tiny trunk for images of 8 pixels, with these options."""

    def build(*, side: int = 8, channels: int = 3, seed: int = 0, **options: Any) -> TimmDiscriminator:
        torch.manual_seed(seed)
        tiny = {"model": "test_resnet", "weights": "random", "input_size": 32, "width": 4, "head_dim": 4}
        context = BuildContext(num_classes=10, image_size=side, image_channels=channels)
        return TimmDiscriminator(TimmDiscriminatorConfig(**{**tiny, **options}), context)

    return build


def new_weights(model: str = "test_resnet", seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights of a whole network; its running averages are not those of a new network."""
    torch.manual_seed(seed)
    network = timm.create_model(model)
    for name, tensor in network.state_dict().items():
        if "running" in name:
            tensor.uniform_(0.5, 1.5)
        elif tensor.is_floating_point() and tensor.ndim == 1:
            tensor.uniform_(-1, 1)  # new residual branches end in zeros
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.fixture(scope="session")
def weights() -> Callable[..., dict[str, torch.Tensor]]:
    """``weights("test_vit", seed=1)``: :func:`new_weights`."""
    return new_weights


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights of ``test_resnet``."""
    path = tmp_path_factory.mktemp("weights") / "resnet.safetensors"
    safetensors.torch.save_file(new_weights(), path)
    return path


@pytest.fixture(scope="session")
def other_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of other weights of ``test_resnet``."""
    path = tmp_path_factory.mktemp("weights") / "other.pth"
    torch.save(new_weights(seed=1), path)
    return path


@pytest.fixture
def images() -> torch.Tensor:
    """Four color images of 8 pixels in [-1, 1]."""
    return torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
