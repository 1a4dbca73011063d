"""What networks share: sizes of feature maps, weights of classes, truncated noise, and codes that are the noise."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from cganzoo.errors import CganzooError
from cganzoo.networks import Generator, class_weights, resolutions, truncated_normal

# --- resolutions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "sides"),
    [(8, (4, 8)), (10, (5, 10)), (14, (7, 14)), (16, (4, 8, 16)), (32, (4, 8, 16, 32)), (96, (6, 12, 24, 48, 96))],
)
def test_feature_maps_are_doubled_from_4_to_7_pixels(size: int, sides: tuple[int, ...]) -> None:
    assert resolutions(size, "toy") == sides


def test_every_size_is_that_of_the_last_map() -> None:
    possible = [base * 2**doublings for base in (4, 5, 6, 7) for doublings in range(1, 7)]
    for size in possible:
        if size <= 256:
            sides = resolutions(size, "toy")
            assert sides[-1] == size
            assert 4 <= sides[0] <= 7
            assert all(two == 2 * one for one, two in pairwise(sides))


@pytest.mark.parametrize(
    ("size", "advice"), [(36, "32 or 40"), (7, "8 or 10"), (4, "8 or 10"), (258, "224 or 256"), (512, "224 or 256")]
)
def test_another_size_is_refused_with_the_nearest_ones(size: int, advice: str) -> None:
    with pytest.raises(CganzooError) as caught:
        resolutions(size, "toy")
    message = str(caught.value)
    assert message.startswith(f"data.image_size = {size}, but the toy networks double feature maps of 4 to 7 pixels")
    assert message.endswith(f"write {advice}")
    assert "\n" not in message


def test_the_largest_size_may_be_another() -> None:
    assert resolutions(512, "toy", largest=512)[-1] == 512
    with pytest.raises(CganzooError, match="at most 64; write 56 or 64"):
        resolutions(128, "toy", largest=64)


# --- class_weights --------------------------------------------------------------------------------------------------


def test_labels_become_one_and_zeros_and_weights_stay() -> None:
    labels = torch.tensor([2, 0])
    expected = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], dtype=torch.float64)
    assert torch.equal(class_weights(labels, 3, torch.float64), expected)
    weights = torch.tensor([[0.25, 0.75, 0.0]])
    assert class_weights(weights, 3, torch.float32) is weights
    assert class_weights(weights, 3, torch.float64).dtype == torch.float64


# --- truncated_normal -----------------------------------------------------------------------------------------------


def normal(count: int = 200_000, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize("bound", [0.04, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_moments_are_those_of_the_normal_distribution_that_is_cut_off(bound: float, dtype: torch.dtype) -> None:
    z = truncated_normal(normal(dtype=dtype), bound)
    assert z.dtype == dtype
    assert z.abs().max() <= bound
    assert z.abs().max() > 0.99 * bound
    density = math.exp(-(bound**2) / 2) / math.sqrt(2 * math.pi)
    variance = 1 - 2 * bound * density / math.erf(bound / math.sqrt(2))
    assert abs(z.mean()) < 0.01 * bound
    assert abs(z.var() / variance - 1) < 0.02


def test_the_order_of_the_values_stays() -> None:
    z = torch.linspace(-4, 4, 500)
    assert (truncated_normal(z, 0.7).diff() > 0).all()
    torch.testing.assert_close(truncated_normal(-z, 0.7), -truncated_normal(z, 0.7))


def test_a_bound_of_0_leaves_nothing_and_a_large_one_everything() -> None:
    z = normal(1000)
    assert truncated_normal(z, 0).eq(0).all()
    for bound in (10.0, 1e6):
        torch.testing.assert_close(truncated_normal(z, bound), z)


def test_values_far_out_stay_finite() -> None:
    z = torch.tensor([-math.inf, -40.0, -9.0, 9.0, 40.0, math.inf])
    for bound in (1.0, 20.0):
        found = truncated_normal(z, bound)
        assert found.isfinite().all()
        assert found.abs().max() <= bound


@pytest.mark.parametrize("bound", [-1e-9, -1.0, math.nan])
def test_a_negative_bound_is_refused(bound: float) -> None:
    with pytest.raises(CganzooError, match="must be 0 or more"):
        truncated_normal(normal(4), bound)


# --- Generator --------------------------------------------------------------------------------------------------------


class Plain(Generator):
    latent_dim, conditional = 2, True

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return (z + labels[:, None]).view(-1, 1, 1, 2)


class Uniform(Plain):
    def sample_latent(self, count: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        return torch.rand(count, 2, device=device, generator=generator)


def test_the_code_of_a_generator_is_its_noise_unless_it_says_otherwise() -> None:
    z, labels = torch.ones(3, 2), torch.arange(3)
    assert Plain().mapped(z, labels) is z
    assert torch.equal(Plain().synthesized(z, labels), Plain()(z, labels))
    assert not Plain.mixes_classes


def test_truncation_bounds_the_noise_of_a_generator_without_noise_of_its_own() -> None:
    z, labels = normal(200).view(-1, 2), torch.zeros(100, dtype=torch.int64)
    assert torch.equal(Plain().truncated(z, labels, 0.5), Plain()(truncated_normal(z, 0.5), labels))
    with pytest.raises(CganzooError, match="Uniform has noise of its own, which cannot be truncated"):
        Uniform().truncated(z, labels, 0.5)
