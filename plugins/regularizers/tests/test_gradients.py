"""r1, r2, gradient_penalty and dragan: closed forms, the naive formulas, and second-order gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cganzoo_regularizers import reference
from torch import Tensor, nn

from cganzoo.config import Schedule

N, SIZE = 6, 8
NAMES = ["r1", "r2", "gradient_penalty", "dragan"]


def direction(norm: float) -> Tensor:
    """A vector of pixels of a given length."""
    a = torch.linspace(-1, 2, SIZE * SIZE, dtype=torch.float64)
    return norm * a / a.norm()


# --- closed forms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["r1", "r2"])
def test_r1_of_a_linear_score_is_half_its_squared_slope(game: Any, name: str) -> None:
    a = direction(3.0)
    assert game(name, score=lambda x: x @ a).discriminator_terms()[name].item() == pytest.approx(4.5)


@pytest.mark.parametrize(("name", "batch"), [("r1", 0), ("r2", 1)])
def test_r1_of_a_quadratic_score(game: Any, name: str, batch: int) -> None:
    """s(x) = x A x / 2 has the gradient A x; r1 is at the real images, r2 at the fakes."""
    torch.manual_seed(1)
    a = torch.randn(SIZE * SIZE, SIZE * SIZE, dtype=torch.float64)
    a = a + a.T
    played = game(name, score=lambda x: (x @ a * x).sum(1) / 2)
    images = played.batches()[batch].images.flatten(1)
    expected = (images @ a).square().sum(1).mean() / 2
    torch.testing.assert_close(played.discriminator_terms()[name], expected)


@pytest.mark.parametrize("name", ["gradient_penalty", "dragan"])
@pytest.mark.parametrize(("norm", "slope"), [(1.0, 1.0), (3.0, 1.0), (2.0, 0.0), (0.0, 1.0)])
def test_a_linear_score_has_the_same_slope_everywhere(game: Any, name: str, norm: float, slope: float) -> None:
    a = direction(norm)
    terms = game(name, score=lambda x: x @ a, slope=slope).discriminator_terms()
    assert terms[name].item() == pytest.approx((norm - slope) ** 2, abs=1e-12)


@pytest.mark.parametrize("name", ["gradient_penalty", "dragan"])
def test_a_constant_score_gives_finite_gradients(game: Any, name: str) -> None:
    """The norm has no derivative at 0, so a naive one is not a number there."""
    played = game(name)
    nn.init.zeros_(played.objective.embedding.weight)
    nn.init.zeros_(played.objective.psi.weight)
    term = played.discriminator_terms()[name]
    assert term.item() == 1
    assert played.gradient(term).isfinite().all()


# --- the naive formulas ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "batch"), [("r1", 0), ("r2", 1)])
def test_r1_equals_its_reference(game: Any, name: str, batch: int) -> None:
    played = game(name)
    used = played.batches()[batch]
    expected = reference.half_squared_slope(played.d, zip(used.images, used.labels, strict=True))
    played.assert_same(played.discriminator_terms()[name], expected)


def test_gradient_penalty_equals_its_reference(game: Any) -> None:
    played = game("gradient_penalty", slope=0.7)
    real, fake = played.batches()
    torch.manual_seed(5)
    points = reference.between(real.images, fake.images, torch.rand(N, 1, 1, 1, dtype=torch.float64))
    expected = reference.distance_from_slope(played.d, zip(points, real.labels, strict=True), 0.7)
    played.assert_same(played.discriminator_terms(seed=5)["gradient_penalty"], expected)


def test_dragan_equals_its_reference(game: Any) -> None:
    played = game("dragan", noise=0.8, slope=0.7)
    real, _ = played.batches()
    torch.manual_seed(5)
    uniform, shares = torch.rand_like(real.images), torch.rand(N, 1, 1, 1, dtype=torch.float64)
    points = reference.near(real.images, uniform, shares, noise=0.8)
    expected = reference.distance_from_slope(played.d, zip(points, real.labels, strict=True), 0.7)
    played.assert_same(played.discriminator_terms(seed=5)["dragan"], expected)


# --- second-order gradients -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_equals_finite_differences(game: Any, name: str) -> None:
    """The derivative along a random direction of all weights of trunk and heads, by a central difference."""
    played = game(name)
    parameters = played.parameters["discriminator"]
    gradient = played.gradient(played.discriminator_terms()[name])
    torch.manual_seed(2)
    moves = [torch.randn_like(parameter) for parameter in parameters]
    values, h = [], 1e-5
    for sign in (1, -2):
        with torch.no_grad():
            torch._foreach_add_(parameters, moves, alpha=sign * h)
        values.append(played.discriminator_terms()[name].item())
    expected = (gradient @ torch.cat([move.flatten() for move in moves])).item()
    assert (values[0] - values[1]) / (2 * h) == pytest.approx(expected, rel=1e-6)
    assert expected


# --- options --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gradient_penalty", "dragan"])
def test_the_slope_follows_a_schedule(game: Any, name: str) -> None:
    a = direction(3.0)
    played = game(name, score=lambda x: x @ a, slope={"from": 3.0, "to": 1.0})
    assert isinstance(played.regularizer._schedules["slope"], Schedule)
    for step, expected in [(0, 0.0), (5, 1.0), (10, 4.0)]:
        played.regularizer.advance(step, 10)
        assert played.discriminator_terms()[name].item() == pytest.approx(expected, abs=1e-12)


def test_dragan_without_noise_is_at_the_real_images(game: Any) -> None:
    played = game("dragan", noise=0.0, slope=0.0)
    torch.testing.assert_close(played.discriminator_terms()["dragan"], 2 * game("r1").discriminator_terms()["r1"])


def test_points_differ_between_samples_and_draws(game: Any) -> None:
    """Each image has its own share, and each call draws anew."""
    from cganzoo_regularizers.gradients import mixed

    torch.manual_seed(0)
    shares = mixed(torch.ones(N, 1, 2, 2), torch.zeros(N, 1, 2, 2))
    assert (shares == shares[:, :, :1, :1]).all()
    assert len(shares[:, 0, 0, 0].unique()) == N
    assert not torch.equal(shares, mixed(torch.ones(N, 1, 2, 2), torch.zeros(N, 1, 2, 2)))
    assert shares.min() >= 0
    assert shares.max() <= 1
