"""lecam: its averages by hand, its two forms, its start, and its state."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cganzoo_regularizers import reference
from torch import Tensor


def scores(played: Any) -> tuple[Tensor, Tensor]:
    real, fake = played.batches()
    return played.networks.score_of(real), played.networks.score_of(fake)


def feed(played: Any, real: float, fake: float) -> Tensor:
    """One batch with the same score for all real images, and the same for all fakes."""
    ones = torch.ones(4, dtype=torch.float64)
    played.objective.given = lambda features: features[:, 0]
    images = torch.zeros(4, 1, 8, 8, dtype=torch.float64)
    from cganzoo.objective import Batch

    batches = [Batch(images, torch.zeros(4).long(), (value * ones)[:, None]) for value in (real, fake)]
    term: Tensor = played.regularizer.discriminator_penalty(*batches, played.networks)["lecam"]
    return term


def test_the_averages_by_hand(game: Any) -> None:
    """With a decay of 1/2: weights 1; 1/3, 2/3; 1/7, 2/7, 4/7. Each side is compared with the other's average."""
    played = game("lecam", decay=0.5)
    assert feed(played, 2.0, -1.0).item() == pytest.approx(3**2 + 3**2)
    assert played.regularizer.real_average.item() == 2
    assert played.regularizer.fake_average.item() == -1
    # a_R = 2/3 + 2 * 5/3 = 4 and a_F = -1/3 + 2 * 2/3 = 1
    assert feed(played, 5.0, 2.0).item() == pytest.approx((5 - 1) ** 2 + (2 - 4) ** 2)
    # a_R = (2 + 2 * 5 + 4 * 4) / 7 = 4 and a_F = (-1 + 2 * 2 + 4 * 1) / 7 = 1
    assert feed(played, 4.0, 1.0).item() == pytest.approx((4 - 1) ** 2 + (1 - 4) ** 2)
    assert played.regularizer.real_average.item() == pytest.approx(4)
    assert played.regularizer.fake_average.item() == pytest.approx(1)


def test_the_released_form_counts_the_right_side_only(game: Any) -> None:
    played = game("lecam", decay=0.5, form="released")
    assert feed(played, 2.0, -1.0).item() == pytest.approx(3**2 + 3**2)
    # a_R = -2/3, a_F = 1: both scores are on the wrong side.
    assert feed(played, -2.0, 2.0).item() == 0
    assert feed(game("lecam", decay=0.5), -2.0, 2.0).item() > 0


@pytest.mark.parametrize("form", ["paper", "released"])
def test_it_equals_its_reference_over_several_batches(game: Any, form: str) -> None:
    played, means = game("lecam", decay=0.9, form=form), ([], [])
    for batch in range(4):
        torch.manual_seed(batch)
        played.images, played.z = torch.rand_like(played.images) * 2 - 1, torch.randn_like(played.z)
        both = scores(played)
        for found, one in zip(means, both, strict=True):
            found.append(one.mean().detach())
        averages = [reference.moving_average(found, 0.9) for found in means]
        expected = reference.lecam(*both, *averages, one_sided=form == "released")
        played.assert_same(played.discriminator_terms()["lecam"], expected)


def test_a_decay_of_zero_compares_with_the_batch_itself(game: Any) -> None:
    played = game("lecam", decay=0.0)
    for _ in range(2):
        on_real, on_fake = scores(played)
        expected = (on_real - on_fake.mean().detach()).square().mean()
        expected = expected + (on_fake - on_real.mean().detach()).square().mean()
        played.assert_same(played.discriminator_terms()["lecam"], expected)
        played.z += 1


def test_before_its_start_it_averages_without_a_penalty(game: Any) -> None:
    played, always = game("lecam", start=2), game("lecam")
    for step in range(3):
        for one in (played, always):
            one.regularizer.advance(step, 10)
            one.images.mul_(0.9)
        term, expected = (one.discriminator_terms()["lecam"] for one in (played, always))
        assert expected > 0
        assert torch.equal(term, expected if step >= 2 else torch.zeros_like(term))
        assert played.gradient(term).any() == (step >= 2)


def test_its_averages_are_state_without_gradient(game: Any) -> None:
    played, other = game("lecam"), game("lecam")
    for _ in range(3):
        played.discriminator_terms()
    assert set(played.regularizer.state_dict()) == {"real_average", "fake_average", "updates"}
    assert not any(buffer.requires_grad for buffer in played.regularizer.buffers())
    other.regularizer.load_state_dict(played.regularizer.state_dict())
    assert torch.equal(other.discriminator_terms()["lecam"], played.discriminator_terms()["lecam"])
    assert torch.equal(other.regularizer.updates, torch.tensor(4.0, dtype=torch.float64))
