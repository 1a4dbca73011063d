"""``path_length``: the closed form of linear generators, the moving average, and the gradient in a real one."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from cganzoo_stylegan2.config import PathLengthConfig
from cganzoo_stylegan2.path_length import PathLength
from torch import Tensor, nn

from cganzoo import BuildContext
from cganzoo.networks import Generator
from cganzoo.objective import Batch
from cganzoo.testing.toy_losses import ToyLogistic
from cganzoo.testing.toys import FEATURE_DIM, ToyTrunk
from cganzoo.train.networks import StepNetworks

N, SIDE, CODE = 4, 8, 5


class Linear(Generator):
    """Images A (w_1 + ... + w_L), with the codes w_l = l z."""

    latent_dim, conditional = CODE, False

    def __init__(self, codes: int) -> None:
        super().__init__()
        self.codes = codes
        self.matrix = nn.Parameter(torch.randn(SIDE * SIDE, CODE, dtype=torch.float64))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.synthesized(self.mapped(z, labels), labels)

    def mapped(self, z: Tensor, labels: Tensor) -> Tensor:
        return torch.stack([layer * z for layer in range(1, self.codes + 1)], 1)

    def synthesized(self, codes: Tensor, labels: Tensor) -> Tensor:
        return (codes.sum(1) @ self.matrix.T).view(-1, 1, SIDE, SIDE)


def make(**options: Any) -> PathLength:
    config = PathLengthConfig.model_validate(options)
    return PathLength(config, BuildContext(num_classes=3, image_size=SIDE, image_channels=1, feature_dim=4)).double()


def networks(generator: Generator) -> StepNetworks:
    trunk = ToyTrunk().double()
    loss = ToyLogistic(3, FEATURE_DIM).double()
    return StepNetworks(generator, trunk, loss, (), [generator], lambda like: nullcontext())


def fakes(latent_dim: int = CODE) -> Batch:
    z = torch.randn(N, latent_dim, dtype=torch.float64)
    images = torch.zeros(N, 1, SIDE, SIDE, dtype=torch.float64)
    return Batch(images, torch.arange(N) % 3, torch.zeros(N, 4, dtype=torch.float64), z)


def noise(seed: int) -> Tensor:
    torch.manual_seed(seed)
    return torch.randn(N, SIDE * SIDE, dtype=torch.float64) / SIDE


def penalty(regularizer: PathLength, generator: Generator, seed: int, batch: Batch) -> Tensor:
    """The penalty with the random numbers of :func:`noise`."""
    given = networks(generator)
    torch.manual_seed(seed)
    return regularizer.generator_penalty(batch, given)["path_length"]


@pytest.mark.parametrize("codes", [1, 3])
def test_the_lengths_of_a_linear_generator(codes: int) -> None:
    """J = A for each of its codes, so the length is |A^T y|; y has the variance 1/(H W)."""
    generator, regularizer = Linear(codes), make()
    lengths = (noise(4) @ generator.matrix).norm(dim=1)
    average = 0.01 * lengths.mean().detach()
    expected = (lengths - average).square().mean()
    found = penalty(regularizer, generator, 4, fakes())
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(regularizer.average, average)
    gradients = [torch.autograd.grad(value, generator.matrix)[0] for value in (found, expected)]
    torch.testing.assert_close(*gradients)


def test_the_average_of_the_lengths_moves_with_its_decay() -> None:
    generator, regularizer, expected = Linear(1), make(decay=0.5), 0.0
    for seed in range(3):
        penalty(regularizer, generator, seed, fakes())
        expected = 0.5 * expected + 0.5 * (noise(seed) @ generator.matrix).norm(dim=1).mean().item()
    assert regularizer.average.item() == pytest.approx(expected)


def test_an_orthogonal_jacobian_has_the_smallest_penalty() -> None:
    """Section 3.2 and appendix C: the optimum is an orthogonal Jacobian, up to a factor."""
    rotation = torch.linalg.qr(torch.randn(SIDE * SIDE, SIDE * SIDE, dtype=torch.float64))[0]
    penalties = []
    for scale in (torch.ones(SIDE * SIDE), torch.linspace(0, 1, SIDE * SIDE) ** 4):
        generator, regularizer = Linear(1), make(decay=0.0)
        matrix = rotation * scale.double()
        generator.matrix = nn.Parameter(matrix * SIDE / matrix.norm())
        penalties.append(sum(penalty(regularizer, generator, seed, fakes(SIDE * SIDE)).item() for seed in range(20)))
    assert penalties[0] < penalties[1] / 2


def test_it_trains_mapping_and_synthesis_of_the_generator(generator: Any) -> None:
    network, regularizer = generator(8), make()
    torch.autograd.backward(penalty(regularizer, network, 0, fakes(network.latent_dim)))
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_it_has_gradients_of_the_second_order(generator: Any) -> None:
    network = generator(8, code_dim=2, max_width=2, mapping_layers=1).eval()
    labels = torch.zeros(1, dtype=torch.int64)
    codes = torch.randn(1, network.num_codes, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda codes: network.synthesized(codes, labels).sum((1, 2, 3)), codes)
