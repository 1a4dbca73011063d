"""ADA's colours and corruptions: what each keeps, what it changes, and the paper's strengths."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from cganzoo_augment.color import Color, hue
from cganzoo_augment.corruptions import HALF_BAND, POWER, Cutout, Filter, Noise, band_matrices
from cganzoo_augment.draws import Draws
from torch import Tensor, nn

Images = Callable[..., Tensor]
MANY = 6000


def changed(stage: nn.Module, images: Tensor, p: float = 1.0) -> Tensor:
    result: Tensor = stage(images, Draws(images, p))
    return result


def parts(images: Tensor) -> tuple[Tensor, Tensor]:
    """The gray part of each pixel, and its colour: the rest."""
    gray = images.mean(1, keepdim=True)
    return gray, images - gray


def factors(before: Tensor, after: Tensor) -> Tensor:
    """The factor between two images of each sample, which must be proportional."""
    before, after = before.flatten(1), after.flatten(1)
    factor = (before * after).sum(1) / before.square().sum(1)
    torch.testing.assert_close(after, factor[:, None] * before, rtol=0, atol=1e-9)
    return factor


def deviation(values: Tensor) -> float:
    """That of values whose mean is 0."""
    assert values.mean().abs() < 4 * values.std() / len(values) ** 0.5
    return float(values.square().mean().sqrt())


@pytest.fixture(name="many")
def _many(images: Images) -> Tensor:
    return images(MANY, 3, 4, torch.float64)


# --- colour ---------------------------------------------------------------------------------------------------------


def test_brightness_adds_one_number(many: Tensor) -> None:
    added = (changed(Color(["brightness"]), many) - many).flatten(1)
    assert (added.amax(1) - added.amin(1)).max() < 1e-9
    assert deviation(added[:, 0]) == pytest.approx(0.2, rel=0.05)


def test_contrast_multiplies_all_values(many: Tensor) -> None:
    assert deviation(factors(many, changed(Color(["contrast"]), many)).log2()) == pytest.approx(0.5, rel=0.05)


def test_a_luma_flip_mirrors_the_gray_part_of_half_the_images(many: Tensor) -> None:
    (gray, colour), (new_gray, new_colour) = parts(many), parts(changed(Color(["luma_flip"]), many))
    torch.testing.assert_close(new_colour, colour, rtol=0, atol=1e-6)
    flipped = ((new_gray + gray).abs() < 1e-6).flatten(1).all(1)
    kept = ((new_gray - gray).abs() < 1e-6).flatten(1).all(1)
    assert (flipped ^ kept).all()
    assert flipped.double().mean() == pytest.approx(0.5, abs=0.03)


def test_hue_rotates_colours_about_the_gray_axis(many: Tensor) -> None:
    (gray, colour), (new_gray, new_colour) = parts(many), parts(changed(Color(["hue"]), many))
    torch.testing.assert_close(new_gray, gray, rtol=0, atol=1e-6)
    torch.testing.assert_close(new_colour.norm(dim=1), colour.norm(dim=1), rtol=0, atol=1e-6)
    cosines = nn.functional.cosine_similarity(new_colour, colour, dim=1).flatten(1)
    assert (cosines.amax(1) - cosines.amin(1)).max() < 1e-5, "one angle for an image"
    quarters = torch.histc(cosines[:, 0].clamp(-1, 1).acos(), 4, 0, math.pi) / MANY
    torch.testing.assert_close(quarters, torch.full_like(quarters, 0.25), rtol=0, atol=0.03)
    matrix = hue(Third(many[:1], 1.0), Color(["hue"]).get_buffer("axes").double())[0, :3, :3]
    torch.testing.assert_close(matrix @ many[0].flatten(1), many[0].flatten(1).roll(1, 0), rtol=0, atol=1e-6)


class Third(Draws):
    """A third of a turn, which moves each channel to the next one."""

    def uniform(self, low: float, high: float) -> Tensor:
        return torch.full((self.count,), 2 * math.pi / 3, dtype=self.dtype)


def test_saturation_multiplies_colours_and_keeps_gray(many: Tensor) -> None:
    (gray, colour), (new_gray, new_colour) = parts(many), parts(changed(Color(["saturation"]), many))
    torch.testing.assert_close(new_gray, gray, rtol=0, atol=1e-6)
    slope = (colour * new_colour).sum((1, 2, 3)) / colour.square().sum((1, 2, 3))
    torch.testing.assert_close(new_colour, slope[:, None, None, None] * colour, rtol=0, atol=1e-5)
    assert deviation(slope.log2()) == pytest.approx(1.0, rel=0.05)


def test_a_gray_image_is_changed_as_one_of_three_equal_channels(images: Images) -> None:
    gray = images(64, 1, 8)
    stage = Color(["brightness", "contrast", "luma_flip", "hue", "saturation"])
    torch.manual_seed(2)
    one = changed(stage, gray)
    torch.manual_seed(2)
    three = changed(stage, gray.expand(-1, 3, -1, -1))
    torch.testing.assert_close(one.expand(-1, 3, -1, -1), three, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(one, gray)


@pytest.mark.parametrize("name", ["brightness", "contrast", "hue", "saturation"])
def test_colours_are_changed_with_probability_p(many: Tensor, name: str) -> None:
    same = (changed(Color([name]), many, p=0.3) == many).flatten(1).all(1)
    assert same.double().mean() == pytest.approx(0.7, abs=0.03)


# --- filters --------------------------------------------------------------------------------------------------------


def test_the_half_band_filter_is_the_power_of_the_wavelet_sym2() -> None:
    root = math.sqrt(3)
    sym2 = torch.tensor([1 + root, 3 + root, 3 - root, 1 - root], dtype=torch.float64) / (4 * math.sqrt(2))
    power = nn.functional.conv1d(sym2.view(1, 1, -1), sym2.view(1, 1, -1), padding=3).flatten() / 2
    torch.testing.assert_close(power, torch.tensor(HALF_BAND, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("side", [8, 13, 64])
def test_the_bands_sum_to_the_identity_and_each_keeps_its_frequencies(side: int) -> None:
    bands = band_matrices(side)
    torch.testing.assert_close(bands.sum(0), torch.eye(side), rtol=0, atol=1e-6)
    torch.testing.assert_close(bands[0] @ torch.ones(side), torch.ones(side))
    for band in range(1, 4):
        torch.testing.assert_close(bands[band] @ torch.ones(side), torch.zeros(side), rtol=0, atol=1e-6)
    # A cosine that is even about the first and the last pixel is an eigenvector.
    for number in range(side):
        frequency = number / (side - 1)  # 1: the finest stripes
        wave = torch.cos(math.pi * frequency * torch.arange(side))
        shares = (bands @ wave) @ wave / wave.square().sum()
        torch.testing.assert_close(bands @ wave, shares[:, None] * wave, rtol=0, atol=1e-4)
        assert shares.min() > -1e-4
        edges = (0.0, 1 / 8, 1 / 4, 1 / 2, 1.0)
        for band, (low, high) in enumerate(pairwise(edges)):
            if low < frequency < high:
                assert shares[band] > 0.45, (frequency, shares)


def test_filters_scale_bands_in_both_directions_and_keep_the_expected_power(images: Images) -> None:
    stage, given = Filter(16), images(MANY, 1, 16, torch.float64)
    flat, finest = torch.ones(16).double(), (-1.0) ** torch.arange(16).double()
    torch.manual_seed(4)
    gains = stage.gains(Draws(given, 1.0))
    for wave, band in ((flat, 0), (finest, 3)):
        pattern = (wave[:, None] * wave).expand(MANY, 1, -1, -1)
        torch.manual_seed(4)
        found = changed(stage, pattern)
        expected = gains[:, band].square()[:, None, None, None] * pattern
        assert ((found - expected).flatten(1).abs().amax(1) < 1e-4 * gains.square().amax(1)).all()
    for band in range(4):
        one = stage.gains(Only(given, band))
        power = (torch.tensor(POWER, dtype=torch.float64) * one.square()).sum(1)
        torch.testing.assert_close(power, torch.ones_like(power))
        ratio = one[:, band] / one[:, (band + 1) % 4]
        assert deviation(ratio.log2()) == pytest.approx(1.0, rel=0.05)


class Only(Draws):
    """Draws for a filter that executes one band only."""

    def __init__(self, images: Tensor, band: int) -> None:
        super().__init__(images, 1.0)
        self.bands = iter(range(4))
        self.band = band

    def executed(self, p: float | Tensor | None = None) -> Tensor:
        return torch.full((self.count,), next(self.bands) == self.band)


# --- noise and cutout -----------------------------------------------------------------------------------------------


def test_noise_has_a_half_normal_deviation_and_no_pattern(images: Images) -> None:
    given = images(2000, 3, 16, torch.float64)
    noise = changed(Noise(), given) - given
    deviations = noise.flatten(1).std(1)
    assert deviations.mean() == pytest.approx(0.1 * math.sqrt(2 / math.pi), rel=0.06)
    assert deviations.square().mean().sqrt() == pytest.approx(0.1, rel=0.06)
    scaled = noise / deviations[:, None, None, None]
    assert scaled.mean().abs() < 0.01
    for channels in ((0, 1), (1, 2)):
        assert (scaled[:, channels[0]] * scaled[:, channels[1]]).mean().abs() < 0.01, "channels are independent"
    untouched = changed(Noise(), given, p=0.4) == given
    assert untouched.flatten(1).all(1).double().mean() == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize("side", [8, 32])
def test_cutout_makes_a_square_of_half_the_side_gray(side: int) -> None:
    cut = changed(Cutout(), torch.ones(2000, 3, side, side)) == 0
    assert (cut.all(1) == cut.any(1)).all()
    rows, columns = cut[:, 0].any(2), cut[:, 0].any(1)
    assert torch.equal(cut[:, 0], rows[:, :, None] & columns[:, None, :])
    for found in (rows, columns):
        lengths = found.sum(1)
        assert (lengths.min(), lengths.max()) == (side // 4, side // 2), "its centre is in the image"
        assert found[:, 0].float().mean() == pytest.approx(0.25 + 0.5 / side, abs=0.04)
        assert found[:, side // 2].float().mean() == pytest.approx(0.5, abs=0.05)
    executed = (changed(Cutout(), torch.ones(2000, 1, side, side), p=0.3) == 0).flatten(1).any(1)
    assert executed.float().mean() == pytest.approx(0.3, abs=0.04)
