"""The layers that resample with a smooth filter, compared with bilinear interpolation and with their definition."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo.layers import SmoothDownsample, SmoothFilter, SmoothUpsample


def maps(side: int, channels: int = 3) -> Tensor:
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("side", [4, 5])
def test_smooth_upsampling_is_bilinear_interpolation_with_zeros_outside(side: int) -> None:
    x = maps(side)
    padded = F.interpolate(F.pad(x, (1, 1, 1, 1)), scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(SmoothUpsample().double()(x), padded[..., 2:-2, 2:-2])


def test_smooth_downsampling_is_the_mean_of_four_pixels_after_a_small_blur() -> None:
    """(1, 3, 3, 1) is (1, 2, 1) with (1, 1)."""
    x = maps(8)
    taps = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64) / 4
    alone = F.pad(x, (1, 1, 1, 1)).flatten(0, 1)[:, None]
    blurred = F.conv2d(alone, torch.outer(taps, taps)[None, None]).view_as(x)
    torch.testing.assert_close(SmoothDownsample().double()(x), F.avg_pool2d(blurred, 2))


def test_smooth_downsampling_is_the_transposed_upsampling() -> None:
    """<up(x), y> = 4 <x, down(y)>."""
    x, y = maps(4), maps(8)
    torch.testing.assert_close((SmoothUpsample().double()(x) * y).sum(), 4 * (x * SmoothDownsample().double()(y)).sum())


@pytest.mark.parametrize("padding", [0, 1, 2, 3])
def test_the_smooth_filter_is_a_sum_of_shifted_maps(padding: int) -> None:
    x = F.pad(maps(6), (padding,) * 4)
    side = x.shape[2] - 3
    taps = list(enumerate((1, 3, 3, 1)))
    rows = torch.stack([tap * x[:, :, row : row + side] for row, tap in taps]).sum(0)
    expected = torch.stack([tap * rows[..., column : column + side] for column, tap in taps]).sum(0) / 64
    torch.testing.assert_close(SmoothFilter(padding).double()(maps(6)), expected)


def test_smooth_layers_add_nothing_to_a_state() -> None:
    for layer in (SmoothUpsample(), SmoothDownsample(), SmoothFilter(1)):
        assert not layer.state_dict()
        assert not list(layer.parameters())


@pytest.mark.parametrize(
    "layer", [SmoothUpsample(), SmoothDownsample(), SmoothFilter(1), SmoothFilter(2), SmoothFilter(3)]
)
def test_smooth_layers_have_gradients_of_both_orders(layer: nn.Module) -> None:
    x = maps(2, channels=2).requires_grad_()
    smooth = layer.double()
    assert torch.autograd.gradcheck(lambda x: smooth(x).square(), (x,))
    assert torch.autograd.gradgradcheck(lambda x: smooth(x) ** 3, (x,))
