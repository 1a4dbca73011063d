"""The control of ADA's probability: when it moves, by how much, and what a checkpoint keeps of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from cganzoo.augmentation import Augmentation

Make = Callable[..., Augmentation]

REAL, UNSURE, FAKE = torch.full((64,), 3.0), torch.tensor([1.0, -1.0] * 32), torch.full((64,), -0.1)


def p_after(augmentation: Augmentation, *scores: Tensor) -> float:
    for batch in scores:
        augmentation.observe(batch)
    return float(augmentation.get_buffer("p"))


def test_p_rises_from_0_to_1_in_half_a_million_images_at_most(make: Make) -> None:
    augmentation = make("ada")
    assert p_after(augmentation) == 0
    assert p_after(augmentation, REAL, REAL, REAL) == 0, "an interval is four batches"
    assert p_after(augmentation, REAL) == pytest.approx(4 * 64 / 500_000)
    assert p_after(augmentation, *[REAL] * 4) == pytest.approx(8 * 64 / 500_000)
    assert p_after(augmentation, *[REAL] * (500_000 // 64 - 8)) == pytest.approx(1.0, abs=2 * 4 * 64 / 500_000)


def test_p_falls_while_the_discriminator_is_unsure_and_stays_in_0_to_1(make: Make) -> None:
    augmentation = make("ada", interval=1, speed=640)
    assert p_after(augmentation, FAKE) == 0
    assert p_after(augmentation, *[REAL] * 5) == pytest.approx(0.5)
    assert p_after(augmentation, FAKE) == pytest.approx(0.4)
    assert p_after(augmentation, UNSURE) == pytest.approx(0.3)
    assert p_after(augmentation, *[REAL] * 9) == 1
    assert p_after(augmentation, FAKE) == pytest.approx(0.9)


def test_the_mean_sign_of_an_interval_is_compared_with_the_target(make: Make) -> None:
    def r(value: float) -> Tensor:
        """Scores whose mean sign is this, however large they are."""
        positive = round(50 * (1 + value))
        return torch.cat([torch.full((positive,), 0.01), torch.full((100 - positive,), -50.0)])

    options = {"interval": 2, "speed": 2000}
    assert p_after(make("ada", **options), r(0.5), r(0.8)) == pytest.approx(0.1)
    assert p_after(make("ada", **options), r(0.5), r(0.6)) == 0
    assert p_after(make("ada", **options, target=0.5), r(0.5), r(0.6)) == pytest.approx(0.1)
    later = make("ada", **options)
    assert p_after(later, r(1.0), r(1.0), r(0.5), r(0.6)) == pytest.approx(0.0), "an interval forgets the one before"


def test_a_higher_p_changes_more_images(make: Make, images: Callable[..., Tensor]) -> None:
    augmentation = make("ada", transforms=["shift"], interval=1, speed=100)
    given = images(400)
    shares = []
    for _ in range(3):
        shares.append(float((augmentation(given) != given).flatten(1).any(1).float().mean()))
        augmentation.observe(REAL[:40])
    moved = 1 - (3 / 8 + 1 / 8) ** 2  # of 8 pixels, an eighth is one: no move in half of the draws of a direction
    assert shares == pytest.approx([0.0, 0.4 * moved, 0.8 * moved], abs=0.08)


def test_the_state_is_kept_in_the_middle_of_an_interval(make: Make) -> None:
    batches = [REAL, REAL, UNSURE, REAL, REAL, FAKE, REAL, REAL]
    straight = make("ada", interval=3, speed=1000)
    wanted = p_after(straight, *batches)
    stopped = make("ada", interval=3, speed=1000)
    p_after(stopped, *batches[:4])
    file = io.BytesIO()
    torch.save(stopped.state_dict(), file)
    resumed = make("ada", interval=3, speed=1000)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert p_after(resumed, *batches[4:]) == wanted
    assert resumed.state_dict() == straight.state_dict()


def test_the_state_is_p_and_its_counts_only(make: Make) -> None:
    assert list(make("ada").state_dict()) == ["p", "signs", "images", "batches"]
    assert not make("ada", p=0.5).state_dict()


@pytest.mark.parametrize("options", [{"p": 0.5}, {"p": {"from": 0.0, "to": 0.5}}])
def test_a_fixed_p_needs_no_score(make: Make, options: dict[str, Any]) -> None:
    """The host asks for a loss with a score if a class defines ``observe`` anew."""
    assert type(make("ada", **options)).observe is Augmentation.observe
    assert type(make("ada")).observe is not Augmentation.observe
