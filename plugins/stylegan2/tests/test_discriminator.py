"""The trunk: parameter counts, blocks, and the minibatch standard deviation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cganzoo_stylegan2.config import StyleGAN2DiscriminatorConfig, StyleGAN2LossConfig
from cganzoo_stylegan2.discriminator import Block, MinibatchDeviation, ResidualBlock, StyleGAN2Discriminator
from cganzoo_stylegan2.loss import StyleGAN2Loss
from torch import Tensor

from cganzoo import BuildContext


def test_parameter_count_is_the_published_one() -> None:
    """23.09M for CIFAR-10 with blocks that are not residual, in the table of arXiv:2206.09479."""
    with torch.device("meta"):
        context = BuildContext(num_classes=10, image_size=32)
        trunk = StyleGAN2Discriminator(StyleGAN2DiscriminatorConfig(residual=False), context)
        context = BuildContext(num_classes=10, image_size=32, feature_dim=trunk.feature_dim)
        loss = StyleGAN2Loss(StyleGAN2LossConfig(), context)
    of_trunk, of_loss = (sum(p.numel() for p in module.parameters()) for module in (trunk, loss))
    convolution, linear = 9 * 512 * 512 + 512, 512 * 512 + 512
    last = convolution + 9 * 512 + 16 * 512 * 512 + 512
    assert of_trunk == (3 * 512 + 512) + 6 * convolution + last
    assert of_loss == linear + (10 * 512 + 512) + 8 * linear
    assert of_trunk + of_loss == 23_089_664


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("size", [8, 12, 16])
def test_image_sizes(trunk: Any, size: int, residual: bool) -> None:
    network = trunk(size, channels=3, residual=residual, width=1, max_width=3)
    assert network(torch.rand(2, 3, size, size).double()).shape == (2, network.feature_dim) == (2, 3)


def test_residual_blocks_are_the_default_and_an_option() -> None:
    with torch.device("meta"):
        context = BuildContext(num_classes=10, image_size=32)
        counts = [
            sum(p.numel() for p in StyleGAN2Discriminator(config, context).parameters())
            for config in (StyleGAN2DiscriminatorConfig(), StyleGAN2DiscriminatorConfig(residual=False))
        ]
    assert counts[0] - counts[1] == 3 * 512 * 512  # a 1x1 convolution of each of three blocks


def test_a_residual_block_adds_the_filtered_inputs() -> None:
    torch.manual_seed(0)
    residual, plain = ResidualBlock(3, 4), Block(3, 4)
    plain.load_state_dict({name: value for name, value in residual.state_dict().items() if name.startswith("body")})
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(residual(x), (plain(x) + residual.skip(x)) / 2**0.5)
    assert len(list(residual.skip.parameters())) == 1  # no bias


def naive(maps: Tensor, group_size: int) -> list[float]:
    """The deviation that each image gets: of groups as large as possible, whose sizes differ by at most one."""
    groups = -(-len(maps) // group_size)
    result = []
    for n in range(len(maps)):
        group = torch.stack([maps[m] for m in range(len(maps)) if m % groups == n % groups])
        result.append((group.var(0, correction=0) + 1e-8).sqrt().mean().item())
    return result


@pytest.mark.parametrize("group_size", [1, 3, 4, 20])
@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_minibatch_deviation(count: int, group_size: int) -> None:
    maps = torch.randn(count, 3, 2, 2, dtype=torch.float64)
    found = MinibatchDeviation(group_size)(maps)
    assert torch.equal(found[:, :3], maps)
    assert found[:, 3].flatten(1).tolist() == [pytest.approx([value] * 4) for value in naive(maps, group_size)]


def test_groups_are_never_much_smaller_than_others() -> None:
    """Five images are groups of three and two, not of four and one, which has no deviation."""
    deviations = MinibatchDeviation(4)(torch.randn(5, 3, 2, 2))[:, 3, 0, 0]
    assert len(set(deviations.tolist())) == 2
    assert deviations.min() > 0.1


def test_minibatch_deviation_has_finite_gradients_for_equal_images() -> None:
    maps = torch.ones(4, 3, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(MinibatchDeviation(4)(maps)[:, 3].sum(), maps, create_graph=True)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("residual", [True, False])
def test_r1_has_gradients_of_the_second_order(trunk: Any, residual: bool) -> None:
    network = trunk(residual=residual, width=1, max_width=2)
    images = torch.randn(2, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda images: network(images).tanh().sum(1), images, fast_mode=True)
