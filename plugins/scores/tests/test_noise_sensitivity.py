"""Sensitivity to noise against known derivatives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cganzoo.networks import Generator


class Squares(Generator):
    """Every pixel is scale (w . z^2) + label: d(sum of pixels)/dz is 2 scale w z times the number of pixels."""

    latent_dim, conditional = 3, True

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -2.0, 0.0]))
        self.scale = scale
        self.sizes: list[int] = []

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        self.sizes.append(len(z))
        pixel = self.scale * (z.square() @ self.weight) + labels
        return pixel[:, None, None, None].expand(-1, 3, 4, 4)


def noise(count: int) -> tuple[Tensor, Tensor]:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(0)), torch.arange(count) % 5


def expected(z: Tensor) -> Tensor:
    return (48 * 2 * z * torch.tensor([1.0, -2.0, 0.0])).abs().double().mean(1)


def test_it_is_the_mean_absolute_derivative(build: Any) -> None:
    metric, (z, labels) = build("noise_sensitivity"), noise(150)
    metric.update_generator(Squares().eval(), z, labels)
    slopes = expected(z)
    assert metric.compute() == {
        "noise_sensitivity": pytest.approx(slopes.mean().item(), rel=1e-6),
        "noise_sensitivity_se": pytest.approx(slopes.std().item() / 150**0.5, rel=1e-6),
    }


def test_it_agrees_with_finite_differences_of_a_network(build: Any) -> None:
    torch.manual_seed(0)

    class Net(Generator):
        latent_dim, conditional = 4, False

        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 48), nn.Tanh()).double()

        def forward(self, z: Tensor, labels: Tensor) -> Tensor:
            return self.layers(z).view(-1, 3, 4, 4)

    net, z, labels = Net().eval(), torch.randn(6, 4, dtype=torch.float64), torch.zeros(6, dtype=torch.int64)
    metric = build("noise_sensitivity")
    metric.update_generator(net, z, labels)
    step = 1e-6 * torch.eye(4, dtype=torch.float64)
    with torch.no_grad():
        slopes = [(net(z + each, labels) - net(z - each, labels)).sum((1, 2, 3)) / 2e-6 for each in step]
    assert metric.compute()["noise_sensitivity"] == pytest.approx(torch.stack(slopes).abs().mean().item(), rel=1e-4)


def test_a_generator_that_ignores_its_noise_has_zero(build: Any) -> None:
    metric = build("noise_sensitivity")
    metric.update_generator(Squares(scale=0.0).eval(), *noise(10))
    assert metric.compute()["noise_sensitivity"] == 0


def test_samples_bounds_it_and_memory_is_bounded(build: Any) -> None:
    generator, (z, labels) = Squares().eval(), noise(300)
    metric = build("noise_sensitivity", samples=130)
    metric.update_generator(generator, z, labels)
    assert sum(generator.sizes) == 130
    assert max(generator.sizes) <= 64
    assert metric.compute()["noise_sensitivity"] == pytest.approx(expected(z[:130]).mean().item(), rel=1e-6)


def test_works_in_inference_mode_and_leaves_the_generator_alone(build: Any) -> None:
    generator, metric = Squares().eval(), build("noise_sensitivity")
    with torch.inference_mode():
        z, labels = noise(20)
        assert z.is_inference()
        metric.update_generator(generator, z, labels)
        assert torch.is_inference_mode_enabled()
    assert metric.compute()["noise_sensitivity"] == pytest.approx(expected(z).mean().item(), rel=1e-6)
    assert generator.weight.grad is None
    assert generator.weight.requires_grad


def test_one_sample_has_no_standard_error_and_no_generator_no_score(build: Any) -> None:
    metric = build("noise_sensitivity")
    assert metric.compute() == {"noise_sensitivity": None, "noise_sensitivity_se": None}
    metric.update_generator(Squares().eval(), *noise(1))
    assert metric.compute()["noise_sensitivity_se"] is None
    assert metric.compute()["noise_sensitivity"] > 0
