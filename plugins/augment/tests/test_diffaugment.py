"""DiffAugment: each change is that of the paper, in its range."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cganzoo.augmentation import Augmentation

Make = Callable[..., Augmentation]
Images = Callable[..., Tensor]

MANY = 3000


def uniform(values: Tensor, low: float, high: float) -> bool:
    """Whether many values look uniform in [low, high]: in each tenth of it are a tenth of them."""
    inside = bool((values >= low - 1e-4).all() and (values <= high + 1e-4).all())
    return inside and bool((torch.histc(values, 10, low, high) / len(values) - 0.1).abs().max() < 0.025)


def alone(make: Make, change: str, side: int = 8, **options: float) -> Augmentation:
    others = {"brightness", "saturation", "contrast", "translation", "cutout"} - {change}
    return make("diffaugment", side, **dict.fromkeys(others, 0.0), **options)


def slopes(x: Tensor, y: Tensor) -> Tensor:
    """The factor of each sample between two deviations, which must be proportional."""
    x, y = x.flatten(1), y.flatten(1)
    slope = (x * y).sum(1) / x.square().sum(1)
    torch.testing.assert_close(y, slope[:, None] * x, rtol=0, atol=1e-5)
    return slope


def test_brightness_adds_one_number_to_all_pixels(make: Make, images: Images) -> None:
    given = images(MANY, 3, 4)
    added = (alone(make, "brightness", 4)(given) - given).flatten(1)
    assert (added.amax(1) - added.amin(1)).max() < 1e-6
    assert uniform(added[:, 0], -0.5, 0.5)


def test_contrast_scales_about_the_mean_of_the_image(make: Make, images: Images) -> None:
    given = images(MANY, 3, 4)
    mean = given.mean((1, 2, 3), keepdim=True)
    assert uniform(slopes(given - mean, alone(make, "contrast", 4)(given) - mean), 0.5, 1.5)


def test_saturation_scales_about_the_mean_of_the_pixel(make: Make, images: Images) -> None:
    given = images(MANY, 3, 4)
    mean = given.mean(1, keepdim=True)
    assert uniform(slopes(given - mean, alone(make, "saturation", 4)(given) - mean), 0.0, 2.0)
    gray = images(4, 1, 4)
    assert torch.equal(alone(make, "saturation", 4)(gray), gray)


@pytest.mark.parametrize(("side", "most"), [(32, 4), (8, 1), (20, 3)])
def test_translation_moves_by_up_to_an_eighth_and_gray_enters(make: Make, side: int, most: int) -> None:
    place = torch.arange(1.0, side * side + 1).view(1, 1, side, side)  # each pixel is known by its value; none is 0
    moved = alone(make, "translation", side)(place.expand(1000, 1, -1, -1))
    padded = torch.nn.functional.pad(place, [most] * 4)[0, 0]
    centre = (moved[:, 0, side // 2, side // 2] - 1).long()
    down, right = side // 2 - centre // side, side // 2 - centre % side
    counts = torch.bincount((down + most) * (2 * most + 1) + right + most, minlength=(2 * most + 1) ** 2)
    assert len(counts) == (2 * most + 1) ** 2, "no further than the greatest translation"
    expected = 1000 / len(counts)
    assert (counts - expected).abs().max() < 5 * expected**0.5, "every translation is as frequent as another"
    for sample, dy, dx in zip(moved[:50, 0], down.tolist(), right.tolist(), strict=False):
        assert torch.equal(sample, padded[most - dy : most - dy + side, most - dx : most - dx + side])


@pytest.mark.parametrize(("side", "length", "centres"), [(32, 16, range(33)), (8, 4, range(9)), (9, 5, range(9))])
def test_cutout_makes_a_square_of_half_the_side_gray(make: Make, side: int, length: int, centres: range) -> None:
    cut = alone(make, "cutout", side)(torch.ones(2000, 2, side, side))
    assert torch.equal(cut[:, 0], cut[:, 1])
    squares = cut[:, 0] == 0
    rows, columns = squares.any(2), squares.any(1)
    assert torch.equal(squares, rows[:, :, None] & columns[:, None, :])
    expected = {
        tuple(max(0, centre - length // 2) <= place < centre - length // 2 + length for place in range(side))
        for centre in centres
    }
    for found in (rows, columns):
        assert {tuple(line) for line in found.tolist()} == expected
        assert found.sum(1).max() == length


def test_the_policy_says_what_is_done_and_in_which_order(make: Make, images: Images) -> None:
    given = images(64, 3, 8)
    translated = make("diffaugment", 8, policy=["translation"])
    assert set(translated(given).unique().tolist()) <= {0.0, *given.unique().tolist()}, "pixels are copied, or gray"
    bright = {"brightness": 5.0, "saturation": 0.0, "contrast": 0.0}
    first = make("diffaugment", 8, policy=["color", "cutout"], **bright)(given)
    last = make("diffaugment", 8, policy=["cutout", "color"], **bright)(given)
    assert ((first == 0).flatten(1).sum(1) >= 3 * 2 * 2).all(), "the gray of cutout comes after the colours"
    assert ((last == 0).flatten(1).sum(1) == 0).all()
