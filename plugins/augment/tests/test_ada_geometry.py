"""ADA's geometry: each matrix moves images as it says, with the paper's strengths, and the resampling is exact."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from cganzoo_augment.draws import Draws, is_identity
from cganzoo_augment.geometry import BLIT, GENERAL, Geometry, flip, rotate, rotate90, scale, shift, stretch, translate
from cganzoo_augment.resample import MARGIN, SYM6, wavelet_matrices
from torch import Tensor
from torch.nn import functional as F

Images = Callable[..., Tensor]
EVERY = pytest.mark.parametrize("transform", [*BLIT, *dict.fromkeys(GENERAL)], ids=lambda one: one.__name__)
MANY = 20_000


class Chosen(Draws):
    """Draws that a test chooses; every transform is executed, except for those in ``without``."""

    def __init__(self, images: Tensor, **values: float) -> None:
        super().__init__(images, 1.0)
        self.values = values

    def _all(self, value: float) -> Tensor:
        return torch.full((self.count,), value, dtype=self.dtype)

    def uniform(self, low: float, high: float) -> Tensor:
        return self._all(low + (high - low) * self.values["uniform"])

    def normal(self, deviation: float) -> Tensor:
        return self._all(deviation * self.values["normal"])

    def choice(self, count: int) -> Tensor:
        return self._all(self.values["choice"])


def transformed(name: str, images: Tensor, **values: float) -> Tensor:
    moved: Tensor = Geometry([name], images.shape[-1])(images, Chosen(images, **values))
    return moved


# --- pixel blitting: exact copies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [8, 9, 64])
def test_flips_and_quarter_turns_are_exact(images: Images, side: int) -> None:
    given = images(2, 3, side)
    assert torch.equal(transformed("flip", given, choice=0), given)
    assert torch.equal(transformed("flip", given, choice=1), given.flip(-1))
    for quarters in range(4):
        # Counted from x, to the right, towards y, downwards.
        assert torch.equal(transformed("rotate90", given, choice=quarters), given.rot90(quarters, (2, 3)))


@pytest.mark.parametrize(("side", "share", "pixels"), [(32, 1.0, 4), (32, 0.0, -4), (8, 1.0, 1), (32, 0.6, 1)])
def test_a_shift_is_by_whole_pixels_and_continues_by_the_mirror_image(
    images: Images, side: int, share: float, pixels: int
) -> None:
    given = images(2, 3, side)
    padded = F.pad(given, [4] * 4, mode="reflect")
    begin = 4 - pixels
    expected = padded[:, :, begin : begin + side, begin : begin + side]
    assert torch.equal(transformed("shift", given, uniform=share), expected)


def test_blitting_is_one_copy_in_the_pipelines_order(images: Images) -> None:
    given = images(2, 3, 16)
    moved = Geometry(["flip", "rotate90", "shift"], 16)(given, Chosen(given, choice=1, uniform=1.0))
    turned = given.flip(-1).rot90(1, (2, 3))
    assert torch.equal(moved, F.pad(turned, [2, 0, 2, 0], mode="reflect")[:, :, :16, :16])


# --- general transforms: filtered resampling ------------------------------------------------------------------------


def test_the_wavelet_is_orthonormal_and_has_six_vanishing_moments() -> None:
    taps = torch.tensor(SYM6, dtype=torch.float64)
    for shift_by in range(6):
        product = (taps[2 * shift_by :] * taps[: len(taps) - 2 * shift_by]).sum()
        assert product == pytest.approx(1.0 if shift_by == 0 else 0.0, abs=1e-9)
    assert taps.sum() == pytest.approx(math.sqrt(2))
    number = torch.arange(12, dtype=torch.float64) - 5.5
    for moment in range(6):
        assert (taps * (-1) ** torch.arange(12) * number**moment).sum() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("side", [4, 8, 32])
def test_to_twice_the_resolution_and_back_is_the_identity(side: int) -> None:
    finer, coarser = wavelet_matrices(side)
    assert (finer.shape, coarser.shape) == ((2 * side, side), (side, 2 * (side + MARGIN)))
    torch.testing.assert_close(finer.sum(1), torch.ones(2 * side))
    inside = slice(3, side - 3)  # the filter reaches three pixels
    torch.testing.assert_close((coarser[:, MARGIN:-MARGIN] @ finer)[inside], torch.eye(side)[inside], rtol=0, atol=1e-6)


def test_a_translation_by_whole_pixels_is_a_shifted_array(images: Images) -> None:
    given = images(2, 3, 24)
    moved = transformed("translate", given, normal=1.0)  # one deviation: an eighth of the side, 3 pixels
    torch.testing.assert_close(moved[:, :, 7:-4, 7:-4], given[:, :, 4:-7, 4:-7], rtol=0, atol=1e-5)


def test_a_rotation_by_half_a_turn_is_two_flips_of_a_smooth_image() -> None:
    wave = torch.sin(torch.arange(32) / 5)
    given = (wave[:, None] * torch.cos(torch.arange(32) / 7)).expand(1, 1, -1, -1)
    draw = Chosen(given, uniform=1.0)
    matrix = Geometry(["rotate"], 32)
    matrix.general = [rotate]  # once, not before and after the stretching
    inside = (..., slice(7, -7), slice(7, -7))  # the filters see no mirror image
    torch.testing.assert_close(matrix(given, draw)[inside], given.flip(2, 3)[inside], rtol=0, atol=3e-3)


@EVERY
def test_a_ramp_stays_a_ramp_along_the_moved_axes(transform: Callable[..., Tensor]) -> None:
    """The value of a pixel of a ramp is its place, so the result shows where each pixel comes from."""
    side, count = 32, 40
    axis = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    ramp = torch.stack(torch.meshgrid(axis, axis, indexing="ij")[::-1]).expand(count, -1, -1, -1)  # x, y
    torch.manual_seed(5)
    inverse = transform(Draws(ramp, 1.0), side)
    geometry = Geometry([transform.__name__], side)
    if transform is rotate:
        geometry.general = [rotate]
    torch.manual_seed(5)
    moved = geometry(ramp, Draws(ramp, 1.0))
    places = torch.cat([ramp[0], torch.ones(1, side, side)]).flatten(1)
    sources = (inverse @ places)[:, :2].unflatten(2, (side, side))
    inside = (sources.abs() < side / 2 - 10).all(1, keepdim=True)  # the filters see no mirror image
    assert inside.sum() > 50 * count
    torch.testing.assert_close(moved * inside, sources * inside, rtol=0, atol=1e-4)


def test_an_image_that_is_made_smaller_has_no_aliasing() -> None:
    side = 32
    finest = (-1.0) ** torch.arange(side).double()
    stripes = finest.expand(1, 1, side, side)
    smaller = transformed("scale", stripes, normal=-5.0)  # five deviations of 0.2: half the size
    assert smaller[..., 12:-12, 12:-12].abs().max() < 0.05, "without a filter, every pixel would be a stripe's"


# --- how often, and how much ----------------------------------------------------------------------------------------


@EVERY
def test_a_transform_is_executed_with_probability_p(transform: Callable[..., Tensor]) -> None:
    changed = ~is_identity(transform(Draws(torch.empty(MANY), 0.5), 32))
    expected = {"flip": 0.25, "rotate90": 0.375, "rotate": 1 - 0.5**0.5}.get(transform.__name__, 0.5)
    if transform is shift:
        expected *= 1 - (1 / 8) ** 2  # 0 pixels in both directions
    assert changed.float().mean() == pytest.approx(expected, abs=0.015)


def test_one_of_the_two_rotations_is_executed_with_probability_p() -> None:
    draw = Draws(torch.empty(MANY), 0.36)
    both = rotate(draw, 32) @ rotate(draw, 32)
    assert (~is_identity(both)).float().mean() == pytest.approx(0.36, abs=0.015)


def many(transform: Callable[..., Tensor], **options: Any) -> Tensor:
    return torch.linalg.inv(transform(Draws(torch.empty(MANY, dtype=torch.float64), 1.0), 32))


def deviation(values: Tensor) -> float:
    """That of values whose mean is 0."""
    assert values.mean().abs() < 4 * values.std() / MANY**0.5
    return float(values.square().mean().sqrt())


def test_strengths_are_those_of_appendix_b() -> None:
    scaled, stretched, moved, shifted = map(many, (scale, stretch, translate, shift))
    assert torch.equal(scaled[:, 0, 0], scaled[:, 1, 1])
    assert deviation(scaled[:, 0, 0].log2()) == pytest.approx(0.2, rel=0.03)
    torch.testing.assert_close(stretched[:, 0, 0], 1 / stretched[:, 1, 1])
    assert deviation(stretched[:, 0, 0].log2()) == pytest.approx(0.2, rel=0.03)
    for axis in range(2):
        assert deviation(moved[:, axis, 2]) == pytest.approx(0.125 * 32, rel=0.03)
        counts = torch.bincount(shifted[:, axis, 2].round().long() + 4, minlength=9) / MANY
        expected = torch.tensor([0.5, *[1.0] * 7, 0.5]) / 8  # rounded, so half as often at the ends
        torch.testing.assert_close(counts, expected, rtol=0, atol=0.012)
    assert abs(float(torch.corrcoef(moved[:, :2, 2].T)[0, 1])) < 0.03, "both directions are drawn"
    angles = torch.atan2(*many(rotate)[:, [1, 0], 0].unbind(1))
    counts = torch.histc(angles, 8, -math.pi, math.pi) / MANY
    torch.testing.assert_close(counts, torch.full((8,), 0.125, dtype=counts.dtype), rtol=0, atol=0.012)
    assert many(flip)[:, 0, 0].mean().abs() < 0.03
    turned = many(rotate90)[:, :2, 0].round().long()
    counts = torch.bincount(turned[:, 0] * 3 + turned[:, 1] + 3)[[0, 2, 4, 6]] / MANY
    torch.testing.assert_close(counts, torch.full((4,), 0.25), rtol=0, atol=0.015)
