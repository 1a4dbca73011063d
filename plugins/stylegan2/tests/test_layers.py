"""Resampling, equalised layers and modulated convolutions: equal to naive forms, with gradients of the second order."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cganzoo_stylegan2.discriminator import Block, ResidualBlock
from cganzoo_stylegan2.layers import (
    EqualizedConv2d,
    EqualizedLinear,
    ModulatedConv2d,
    ScaledLeakyReLU,
    UpsampledModulatedConv2d,
)
from torch import Tensor, nn
from torch.nn import functional as F

N, INPUTS, OUTPUTS, CODE = 3, 4, 5, 6


def maps(side: int = 6, count: int = N) -> Tensor:
    return torch.randn(count, INPUTS, side, side, dtype=torch.float64)


def filtered(x: Tensor, padding: int, total: float = 1.0) -> Tensor:
    """[1, 3, 3, 1] in rows and columns, as sums over shifted maps with zeros around them."""
    x = F.pad(x, (padding,) * 4)
    height, width = x.shape[2] - 3, x.shape[3] - 3
    parts = [
        a * b / 64 * total * x[:, :, row : row + height, column : column + width]
        for row, a in enumerate((1, 3, 3, 1))
        for column, b in enumerate((1, 3, 3, 1))
    ]
    return torch.stack(parts).sum(0)


def with_zeros_between(x: Tensor) -> Tensor:
    """Maps (N, C, H, W) to (N, C, 2H, 2W), where three of four pixels are zero."""
    result = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    result[:, :, ::2, ::2] = x
    return result


# --- resampling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("residual", [True, False])
def test_a_block_filters_before_it_keeps_each_second_pixel(residual: bool) -> None:
    block, x = (ResidualBlock if residual else Block)(INPUTS, OUTPUTS).double(), maps()
    first, activation, _, second, _ = block.body
    full = F.conv2d(filtered(activation(first(x)), 2), second.weight * second.gain, second.bias)
    expected = activation(full[:, :, ::2, ::2])
    if residual:
        skip = F.conv2d(filtered(x, 1)[:, :, ::2, ::2], block.skip[1].weight / INPUTS**0.5)
        expected = (expected + skip) / 2**0.5
    torch.testing.assert_close(block(x), expected)
    assert block(x).shape == (N, OUTPUTS, 3, 3)


def test_upsampled_images_are_the_filter_between_zeros_with_sum_four(generator: Any) -> None:
    upsample, x = generator().blocks[0].upsample, maps()
    expected = filtered(F.pad(with_zeros_between(x), (1, 0, 1, 0)), 1, total=4)
    torch.testing.assert_close(upsample(x), expected)


# --- an equalised learning rate -------------------------------------------------------------------------------------


def test_equalised_layers_keep_the_variance_of_their_inputs() -> None:
    x = torch.randn(2000, 50)
    for layer, inputs in ((EqualizedLinear(50, 40), x), (EqualizedConv2d(50, 40, 1), x[:, :, None, None])):
        assert layer.weight.std().item() == pytest.approx(1, abs=0.05)
        assert layer(inputs).std().item() == pytest.approx(1, abs=0.05)


def test_the_learning_rate_has_a_factor() -> None:
    """A step of Adam changes all weights by the learning rate, so the function of a layer by the factor times that."""
    x, changes = torch.ones(1, 4), []
    for factor in (1.0, 0.01):
        layer = EqualizedLinear(4, 1, lr_factor=factor, initial_bias=0.5)
        before = layer(x)
        assert (layer.bias * factor).item() == pytest.approx(0.5)
        for parameter in layer.parameters():
            parameter.data += 0.1
        changes.append((layer(x) - before).item())
    assert changes == pytest.approx([0.1 * 4 / 2 + 0.1, 0.01 * (0.1 * 4 / 2 + 0.1)], rel=1e-3)


def test_the_activation_keeps_the_mean_square() -> None:
    """E f(x)^2 = (1 + 0.2^2) for normal x, so layers keep about the size of their inputs."""
    assert ScaledLeakyReLU()(torch.randn(100_000)).square().mean().item() == pytest.approx(1.04, abs=0.02)


# --- modulated convolutions -----------------------------------------------------------------------------------------


def own_weights(layer: ModulatedConv2d, code: Tensor) -> Tensor:
    """The weights (O, I, k, k) of one sample, eq. 1 and 3 of the paper."""
    style = layer.style(code[None])[0]
    weight: Tensor = layer.weight * layer.gain * style[None, :, None, None]
    if layer.demodulate:
        weight = weight / torch.sqrt((weight**2).sum((1, 2, 3), keepdim=True) + 1e-8)
    return weight


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("size", [1, 3])
def test_modulation_equals_weights_of_each_sample(size: int, demodulate: bool) -> None:
    layer = ModulatedConv2d(INPUTS, OUTPUTS, size, CODE, demodulate=demodulate).double()
    x, codes = maps(), torch.randn(N, CODE, dtype=torch.float64)
    naive = [F.conv2d(x[n : n + 1], own_weights(layer, codes[n]), padding=size // 2) for n in range(N)]
    torch.testing.assert_close(layer(x, codes), torch.cat(naive))


def test_upsampling_modulation_equals_weights_of_each_sample() -> None:
    layer = UpsampledModulatedConv2d(INPUTS, OUTPUTS, CODE).double()
    x, codes = maps(), torch.randn(N, CODE, dtype=torch.float64)
    naive = []
    for n in range(N):
        spread = F.pad(with_zeros_between(x[n : n + 1]), (2, 1, 2, 1))
        convolved = F.conv2d(spread, own_weights(layer, codes[n]).flip(2, 3))
        naive.append(filtered(convolved, 1, total=4))
    torch.testing.assert_close(layer(x, codes), torch.cat(naive))
    assert layer(x, codes).shape == (N, OUTPUTS, 12, 12)


def test_demodulated_weights_have_unit_norm() -> None:
    layer = ModulatedConv2d(INPUTS, OUTPUTS, 3, CODE).double()
    codes = 5 * torch.randn(N, CODE, dtype=torch.float64)
    styles, weight = layer.style(codes), layer.weight * layer.gain
    modulated = weight * styles[:, None, :, None, None] * layer.demodulation(styles, weight)[:, :, None, None, None]
    norms = modulated.flatten(2).norm(dim=2)
    torch.testing.assert_close(norms, torch.ones_like(norms), rtol=1e-5, atol=0)


def test_demodulation_keeps_the_variance_for_any_style() -> None:
    layer, x = ModulatedConv2d(20, 30, 1, CODE), torch.randn(400, 20, 4, 4)
    codes = (10 * torch.randn(1, CODE)).expand(400, -1)
    assert layer(x, codes).std().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("make", [lambda: ModulatedConv2d(2, 2, 3, 2), lambda: UpsampledModulatedConv2d(2, 2, 2)])
def test_modulation_has_gradients_of_both_orders(make: Any) -> None:
    layer: nn.Module = make().double()
    x, codes = torch.randn(1, 2, 2, 2).double().requires_grad_(), torch.randn(1, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(layer, (x, codes))
    assert torch.autograd.gradgradcheck(layer, (x, codes))
