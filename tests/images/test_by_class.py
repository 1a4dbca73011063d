"""Images by class: the first of each class, samples drawn for each class, and the grid with its rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from cganzoo.extractor import Extractor
from cganzoo.images.grids import COLUMNS, GAP, class_grid, draw_by_class, first_of_each, grid, predicted_classes
from cganzoo.networks import Generator


def gray(*values: int, size: int = 48) -> Tensor:
    """Images of these gray values."""
    return (torch.tensor(values) / 127.5 - 1)[:, None, None, None].expand(-1, 1, size, size)


def batches(*parts: tuple[list[int], list[int]]) -> Iterator[tuple[Tensor, Tensor]]:
    for values, labels in parts:
        yield gray(*values, size=1), torch.tensor(labels)


def test_the_first_images_of_each_class_are_found_over_batches() -> None:
    found = first_of_each(batches(([1, 2, 3], [0, 1, 0]), ([4, 5, 6, 7], [2, 1, 1, 0])), {2: 2, 1: 2, 5: 1})
    assert list(found) == [2, 1, 5]
    torch.testing.assert_close(found[2], gray(4, size=1))
    torch.testing.assert_close(found[1], gray(2, 5, size=1))
    assert found[5].shape == (0, 1, 1, 1)


def test_no_batch_is_drawn_after_all_images_are_found() -> None:
    source = batches(([1, 2], [0, 1]), ([3], [0]))
    first_of_each(source, {0: 1, 1: 1})
    assert len(list(source)) == 1


def test_a_class_with_many_images_has_several_rows_and_only_the_first_is_named() -> None:
    sheet = class_grid({1: gray(10, 20, 30), 0: gray()}, ["zero", "one"], columns=2)
    white = gray(255)
    expected = grid(torch.cat([gray(10, 20, 30), white, white, white]), 2, ["one", "", "zero"])
    np.testing.assert_array_equal(np.asarray(sheet), np.asarray(expected))
    assert sheet.height == 3 * (48 + GAP) + GAP


class Pixel(Generator):
    """One pixel: the class if it is conditional, else class 0 for 1 noise vector of 4, 2 for 3 of 4."""

    latent_dim = 1

    def __init__(self, conditional: bool) -> None:
        super().__init__()
        self.conditional = conditional
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        classes = labels if self.conditional else 2 * (z[:, 0] > -0.6745)
        return (classes * self.scale)[:, None, None, None]


class PixelClass(Extractor):
    """Reads the class from the pixel."""

    feature_dim, num_classes = 1, 3

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pixels = images.flatten(1)
        return pixels, -(pixels - torch.arange(3)).square()


def values(found: dict[int, Tensor] | None) -> dict[int, list[float]]:
    assert found is not None
    return {label: images.flatten().tolist() for label, images in found.items()}


@pytest.mark.parametrize("classes", [[2, 0], [2] * COLUMNS + [0] * COLUMNS])
def test_each_class_of_a_conditional_generator_is_drawn(classes: list[int]) -> None:
    found = draw_by_class(Pixel(conditional=True), 3, classes, None, seed=0)
    assert values(found) == {2: [2.0] * COLUMNS, 0: [0.0] * COLUMNS}


def test_samples_of_an_unconditional_generator_are_sorted_by_the_classifier() -> None:
    generator = Pixel(conditional=False)
    found = draw_by_class(generator, 3, [0, 1, 2], PixelClass(), seed=0)
    assert values(found) == {0: [0.0] * COLUMNS, 1: [], 2: [2.0] * COLUMNS}
    frequent = draw_by_class(generator, 3, [0], PixelClass(), seed=0, most_frequent=True)
    assert list(values(frequent)) == [2]
    frequent = draw_by_class(generator, 3, [0, 1, 2], PixelClass(), seed=0, most_frequent=True)
    assert list(values(frequent)) == [0, 2], "a class that is never made has no row"
    assert draw_by_class(generator, 3, [0, 1, 2], None, seed=0) is None


def test_a_classifier_without_parameters_sorts_too() -> None:
    class Brightest(Extractor):
        feature_dim, num_classes, own_classes = 1, 2, True

        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            bright = images.mean((1, 2, 3))
            return bright[:, None], torch.stack([-bright, bright], 1)

    assert predicted_classes(Brightest(), gray(0, 255, size=2)).tolist() == [0, 1]
