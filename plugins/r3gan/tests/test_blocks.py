"""The parts of the networks: a new block is the identity, initial weights keep the variance, and the two bases."""

from __future__ import annotations

import pytest
import torch
from cganzoo_r3gan.blocks import DiscriminativeBasis, GenerativeBasis, ResidualBlock, scaled
from torch import Tensor, nn
from torch.nn import functional as F


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_a_new_block_is_the_identity_and_can_learn() -> None:
    block = ResidualBlock(6, 12, groups=3, depth=8)
    x = torch.randn(2, 6, 4, 4)
    assert torch.equal(block(x), x)
    block(x).square().sum().backward()
    assert block.project.weight.grad.any()  # the other layers learn as soon as this one is not zero


def test_a_block_is_its_formula() -> None:
    """x + W3 f(W2 f(W1 x + b1) + b2), computed with dense matrices at each position."""
    block = ResidualBlock(4, 8, groups=2, depth=1).double()
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(1, 4, 3, 3, dtype=torch.float64)

    def f(t: Tensor) -> Tensor:
        return torch.where(t > 0, t, 0.2 * t)

    wide = f(torch.einsum("oi,nihw->nohw", block.expand.weight[:, :, 0, 0], x) + block.expand.bias[:, None, None])
    dense = torch.zeros(8, 8, 3, 3, dtype=torch.float64)  # the two groups do not see each other
    dense[:4, :4], dense[4:, 4:] = block.spatial.weight[:4], block.spatial.weight[4:]
    mixed = f(F.conv2d(wide, dense, padding=1) + block.spatial.bias[:, None, None])
    expected = x + torch.einsum("oi,nihw->nohw", block.project.weight[:, :, 0, 0], mixed)
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("depth", [1, 16])
def test_the_gain_keeps_the_variance_up_to_the_depth(depth: int) -> None:
    """Each of the two layers multiplies the variance by depth^(-1/2): after the activation for W2, before it for W1."""
    block = ResidualBlock(128, 256, groups=8, depth=depth)
    gain = 2 / (1 + 0.2**2) * depth**-0.5  # of variance, before the activation
    x = torch.randn(20, 128, 6, 6)
    wide = block.expand(x)
    assert wide.var().item() == pytest.approx(gain, rel=0.1)
    active = F.leaky_relu(wide, 0.2)
    assert active.square().mean().item() == pytest.approx(depth**-0.5, rel=0.1)
    inner = block.spatial(active)[..., 1:-1, 1:-1]  # at the border, zeros enter
    assert inner.var().item() == pytest.approx(gain * depth**-0.5, rel=0.1)


def test_weights_have_the_variance_of_their_inputs() -> None:
    assert scaled(nn.Linear(400, 300), 2.0).weight.std().item() == pytest.approx(2 / 20, rel=0.02)
    assert scaled(nn.Conv2d(64, 64, 3, groups=4)).weight.std().item() == pytest.approx(1 / 12, rel=0.02)


def test_the_generators_basis_is_one_map_for_each_channel() -> None:
    layer = GenerativeBasis(5, 3, 4)
    code = torch.randn(2, 5)
    maps = layer(code)
    scales = code @ layer.linear.weight.T
    assert maps.shape == (2, 3, 4, 4)
    torch.testing.assert_close(maps[1, 2], scales[1, 2] * layer.basis[2])
    assert layer.linear.bias is None
    assert GenerativeBasis(5, 200, 4).basis.std(0).mean().item() == pytest.approx(1, abs=0.1)


def test_the_discriminators_basis_is_a_convolution_of_each_channel() -> None:
    layer = DiscriminativeBasis(6, 5, 4)
    x = torch.randn(3, 6, 5, 5)
    products = F.conv2d(x, layer.basis[:, None], groups=6)[:, :, 0, 0]
    torch.testing.assert_close(layer(x), products @ layer.linear.weight.T)
