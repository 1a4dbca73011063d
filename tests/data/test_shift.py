"""data.shift: real training images are moved by a few pixels; the pixels at their edge are repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from cganzoo.data.batches import Batches, _shifted
from cganzoo.data.cache import ImageSet
from cganzoo.recipe.resolve import Resolved
from cganzoo.train.engine import Engine

SIDE, COUNT = 7, 40


def data() -> ImageSet:
    """Each pixel of an image has its own value, so that a move is seen."""
    pixels = np.random.default_rng(0).permutation(np.arange(COUNT * SIDE * SIDE) % 251).astype(np.uint8)
    return ImageSet(pixels.reshape(COUNT, 1, SIDE, SIDE), np.arange(COUNT), tuple(map(str, range(COUNT))), "train", "")


def batches(shift: int, *, flip: bool = False, batch_size: int = 20, seed: int = 0) -> Batches:
    return Batches(data(), batch_size, seed, torch.device("cpu"), shift=shift, flip=flip)


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """By padding with the edge and cropping."""
    padded = np.pad(image, ((0, 0), (SIDE, SIDE), (SIDE, SIDE)), mode="edge")
    return padded[:, SIDE - down : 2 * SIDE - down, SIDE - right : 2 * SIDE - right]


@pytest.mark.parametrize("shape", [(3, 1, SIDE, SIDE), (3, 3, SIDE, SIDE)])
def test_a_moved_image_is_that_of_a_padded_crop(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for moves in ([[0, 0], [2, -3], [-1, 6]], [[-6, -6], [6, 6], [0, 1]]):
        ours = _shifted(torch.from_numpy(images), torch.tensor(moves))
        assert ours.dtype == torch.uint8
        expected = [moved(image, *move) for image, move in zip(images, moves, strict=True)]
        assert np.array_equal(ours.numpy(), np.stack(expected))


def test_every_move_up_to_the_bound_occurs_equally_often() -> None:
    drawn, plain = batches(2), batches(0)
    originals = data().images
    counts: Counter[tuple[int, int]] = Counter()
    for _ in range(20):
        (images, labels), (unmoved, same_labels) = drawn.next(), plain.next()
        assert torch.equal(labels, same_labels), "which images are drawn does not change"
        assert images.dtype == unmoved.dtype
        for image, label in zip(images, labels, strict=True):
            pixels = ((image + 1) * 127.5).round().to(torch.uint8).numpy()
            candidates = [
                (down, right)
                for down in range(-3, 4)
                for right in range(-3, 4)
                if np.array_equal(pixels, moved(originals[int(label)], down, right))
            ]
            assert len(candidates) == 1
            counts[candidates[0]] += 1
    assert set(counts) == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}
    assert max(counts.values()) < 400 / 25 + 6 * (400 / 25) ** 0.5


def test_the_position_alone_decides_the_moves() -> None:
    straight = batches(2, flip=True)
    expected = [straight.next() for _ in range(6)]
    jumping = batches(2, flip=True)
    for position in (5, 0, 3, 3):
        jumping.position = position
        for one, other in zip(jumping.next(), expected[position], strict=True):
            assert torch.equal(one, other)
    assert not torch.equal(batches(2, seed=1).next()[0], expected[0][0])


def test_an_image_may_be_mirrored_and_moved() -> None:
    both, mirrored = batches(1, flip=True), batches(0, flip=True)
    moves = torch.from_numpy(both._moves(0))
    pixels = ((mirrored.next()[0] + 1) * 127.5).round().to(torch.uint8)
    images: Tensor = both.next()[0]
    assert torch.equal(((images + 1) * 127.5).round().to(torch.uint8), _shifted(pixels, moves))


def test_the_recipe_says_how_far_training_images_are_moved(resolved: Callable[..., Resolved]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 1, 8, 8), np.uint8)
    images = ImageSet(pixels, np.arange(64) % 4, tuple("abcd"), "train", "noise")
    engine = Engine(resolved("data.shift=3"), images, torch.device("cpu"))
    assert engine.batches.shift == 3
