"""Samples next to their nearest training images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from cganzoo_scores.nearest_neighbours import _sheet
from torch import Tensor

from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated


def gray(levels: Tensor, size: int = 16) -> Tensor:
    return levels[:, None, None, None].float().expand(-1, 3, size, size)


def test_ratio_is_the_naive_one(score: Any, evaluated: Any) -> None:
    real, samples = evaluated(0, 60, shift=0.5), evaluated(1, 30)
    x, y = real.features.double().numpy(), samples.features.double().numpy()
    near = [min(np.linalg.norm(a - b) for b in x) for a in y]
    usual = [min(np.linalg.norm(a - b) for j, b in enumerate(x) if j != i) for i, a in enumerate(x)]
    expected = np.sort(near)[14] / np.sort(usual)[29]  # torch's median is the lower of two
    assert score("nearest_neighbours", real, samples)["nearest_neighbour_ratio"] == pytest.approx(expected, rel=1e-6)


def test_copies_have_zero_and_fresh_images_about_one(score: Any, evaluated: Any, take: Any) -> None:
    both = evaluated(0, 1400, dim=8)
    real, fresh = take(both, slice(1000)), take(both, slice(1000, None))
    assert score("nearest_neighbours", real, take(real, slice(100)))["nearest_neighbour_ratio"] == 0
    assert score("nearest_neighbours", real, fresh, samples=400)["nearest_neighbour_ratio"] == pytest.approx(1, abs=0.1)


def test_only_the_first_samples_count(score: Any, evaluated: Any, take: Any) -> None:
    real, samples = evaluated(0, 60), evaluated(1, 30)
    bounded = score("nearest_neighbours", real, [take(samples, slice(7)), take(samples, slice(7, None))], samples=20)
    assert bounded == score("nearest_neighbours", real, take(samples, slice(20)))
    assert bounded != score("nearest_neighbours", real, samples)


def test_undefined_where_training_images_come_twice(score: Any, evaluated: Any, take: Any) -> None:
    twice = take(evaluated(0, 60), torch.arange(60) // 2)
    assert score("nearest_neighbours", twice, evaluated(1, 30))["nearest_neighbour_ratio"] is None


def test_too_few_training_images_is_one_message(score: Any, evaluated: Any) -> None:
    with pytest.raises(CganzooError, match=r"neighbours = 7 needs more than that many training images.*there are 7"):
        score("nearest_neighbours", evaluated(0, 7), evaluated(1, 30))


# --- the picture ----------------------------------------------------------------------------------------------------


def line(count: int, labels: Tensor | None, offset: float = 0.0) -> Evaluated:
    """Image i is at i + offset on a line, and as bright."""
    places = torch.arange(count) + offset
    return Evaluated(gray(places / 100), labels, places[:, None], torch.zeros(count, 0))


def picture(build: Any, samples: list[Evaluated], **options: Any) -> Tensor:
    metric = build("nearest_neighbours", **options)
    for part in torch.split(torch.arange(40), 9):
        metric.update_reference(Evaluated(gray(part / 100), part % 5, part[:, None].float(), torch.zeros(len(part), 0)))
    for batch in samples:
        metric.update(batch)
    metric.compute()
    (sheet,) = metric.pictures(lambda positions: gray(positions / 100)).values()
    return sheet


def cells(sheet: Tensor, columns: int) -> list[list[float]]:
    """The brightness of each cell, by 100: 16 pixels enlarged to 48, gaps of 3, and of 12 after the first column."""
    lefts = [0] + [48 + 12 + 51 * column for column in range(columns - 1)]
    assert sheet.shape[2] == lefts[-1] + 48
    for left in lefts:
        assert (sheet[:, :48, left : left + 48] == sheet[0, 0, left]).all()
    return [
        [round(100 * sheet[0, top + 24, left + 24].item(), 4) for left in lefts] for top in range(0, sheet.shape[1], 51)
    ]


def test_a_row_is_a_sample_and_its_neighbours_nearest_first(build: Any) -> None:
    samples = line(40, None, offset=0.3)
    sheet = picture(build, [samples], neighbours=3, rows=4)
    assert sheet.shape == (3, 4 * 51 - 3, 48 + 12 + 3 * 51 - 3)
    assert cells(sheet, 4) == [[0.3, 0, 1, 2], [1.3, 1, 2, 0], [2.3, 2, 3, 1], [3.3, 3, 4, 2]]
    assert (sheet[:, :48, 48:60] == 1).all()
    assert (sheet[:, 48:51] == 1).all()


def test_large_images_are_left_as_they_are() -> None:
    cells = _sheet(torch.zeros(2, 3, 64, 64), torch.zeros(2, 1, 3, 64, 64))
    assert cells.shape == (3, 2 * 64 + 4, 2 * 64 + 16)


def test_a_row_for_each_of_the_first_classes(build: Any) -> None:
    labels = torch.tensor([3, 3, 1, 0, 1, 4, 2, 2])
    both = line(8, labels, offset=0.3)
    parts = [Evaluated(both.images[p], labels[p], both.features[p], both.logits[p]) for p in (slice(5), slice(5, None))]
    assert [row[0] for row in cells(picture(build, parts, neighbours=1), 2)] == [3.3, 2.3, 6.3, 0.3, 5.3]
    assert [row[0] for row in cells(picture(build, parts, neighbours=1, rows=2), 2)] == [3.3, 2.3]


def test_no_picture_before_the_score(build: Any) -> None:
    assert build("nearest_neighbours").pictures(lambda positions: gray(positions)) == {}
