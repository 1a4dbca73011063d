"""Layers that resample and convolve in one step: equal to the two steps, in values and in gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from cganzoo.layers import PooledConv2d, UpsampledConv2d

Layer = UpsampledConv2d | PooledConv2d


def upsampled_by_steps(images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.conv2d(F.interpolate(images, scale_factor=2, mode="nearest"), weight, bias, padding=1)


def pooled_by_steps(images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.avg_pool2d(F.conv2d(images, weight, bias, padding=1), 2)


LAYERS = [(UpsampledConv2d, upsampled_by_steps), (PooledConv2d, pooled_by_steps)]
parametrize = pytest.mark.parametrize(("layer_class", "by_steps"), LAYERS, ids=["upsampled", "pooled"])


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@parametrize
@pytest.mark.parametrize("size", [(8, 8), (2, 2), (6, 10), (7, 5), (3, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_it_equals_the_two_steps_in_values_and_gradients(
    layer_class: type[Layer], by_steps: Callable[..., Tensor], size: tuple[int, int], bias: bool
) -> None:
    layer = layer_class(3, 5, bias=bias).double()
    images = random(2, 3, *size).requires_grad_()
    leaves = [images, *layer.parameters()]
    one, two = layer(images), by_steps(images, layer.weight, layer.bias)
    torch.testing.assert_close(one, two)
    weights = random(*one.shape, seed=1)
    torch.testing.assert_close(
        torch.autograd.grad((one.square() * weights).sum(), leaves),
        torch.autograd.grad((two.square() * weights).sum(), leaves),
    )


@parametrize
def test_gradients_are_right_to_the_second_order(layer_class: type[Layer], by_steps: Callable[..., Tensor]) -> None:
    layer = layer_class(2, 2).double()
    images = random(1, 2, 4, 4).requires_grad_()

    def output(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (images,))

    inputs = (images, layer.weight, layer.bias)
    assert gradcheck(output, inputs)
    assert gradgradcheck(output, inputs)


@parametrize
def test_channels_last_and_bfloat16_give_the_same_images(
    layer_class: type[Layer], by_steps: Callable[..., Tensor]
) -> None:
    layer, images = layer_class(4, 4), random(2, 4, 8, 8).float()
    plain = layer(images)
    other = layer.to(memory_format=torch.channels_last)(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(other, plain)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer(images).float(), plain, atol=0.05, rtol=0.05)


@parametrize
def test_spectral_norm_is_that_of_the_convolution(layer_class: type[Layer], by_steps: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    layer = spectral_norm(layer_class(3, 5).double(), n_power_iterations=50)
    images = random(2, 3, 6, 6)
    layer.eval()
    largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
    torch.testing.assert_close(largest, torch.ones_like(largest))
    assert isinstance(layer, nn.Conv2d)
    torch.testing.assert_close(layer(images), by_steps(images, layer.weight, layer.bias))


@parametrize
def test_the_state_is_that_of_the_convolution(layer_class: type[Layer], by_steps: Callable[..., Tensor]) -> None:
    assert list(layer_class(3, 5).state_dict()) == ["weight", "bias"]
