"""The order of training images: seeded, whole epochs, and a matter of the position alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cganzoo.data import batches as module
from cganzoo.data.batches import Batches, to_pixels, to_unit
from cganzoo.data.cache import ImageSet

COUNT = 11


def data() -> ImageSet:
    """Image k is k everywhere, and its label is k too."""
    images = np.broadcast_to(np.arange(COUNT, dtype=np.uint8)[:, None, None, None], (COUNT, 1, 2, 2))
    return ImageSet(images, np.arange(COUNT, dtype=np.int64), tuple("abcdefghijk"), "train", "fingerprint")


def batches(batch_size: int = 4, seed: int = 0) -> Batches:
    return Batches(data(), batch_size, seed, torch.device("cpu"))


def stream(of: Batches, count: int) -> list[int]:
    """Which images the next batches hold."""
    return [int(label) for _ in range(count) for label in of.next()[1]]


@pytest.mark.parametrize("batch_size", [1, 4, 11, 25])
def test_every_epoch_is_a_permutation_of_its_own(batch_size: int) -> None:
    drawn = stream(batches(batch_size), 4 * COUNT)
    epochs = [drawn[start : start + COUNT] for start in range(0, 4 * COUNT, COUNT)]
    assert all(sorted(epoch) == list(range(COUNT)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_the_batch_size_cuts_one_order() -> None:
    assert stream(batches(1), 44) == stream(batches(4), 11) == stream(batches(11), 4) == stream(batches(22), 2)


def test_the_position_alone_decides_the_batch() -> None:
    straight = batches()
    expected = [straight.next() for _ in range(20)]
    jumping = batches()
    for position in (13, 2, 19, 0, 7, 7):
        jumping.position = position
        images, labels = jumping.next()
        torch.testing.assert_close((images, labels), expected[position], rtol=0, atol=0)
        assert jumping.position == position + 1


def test_the_seed_decides_the_order() -> None:
    assert stream(batches(seed=1), 5) == stream(batches(seed=1), 5)
    assert len({tuple(stream(batches(seed=seed), 5)) for seed in range(5)}) == 5


def test_torchs_random_state_is_left_alone() -> None:
    state = torch.get_rng_state()
    stream(batches(), 5)
    assert torch.equal(torch.get_rng_state(), state)


def test_images_come_with_their_labels_in_range() -> None:
    images, labels = batches().next()
    assert (images.shape, images.dtype) == ((4, 1, 2, 2), torch.float32)
    assert (labels.shape, labels.dtype) == ((4,), torch.int64)
    torch.testing.assert_close(images[:, 0, 0, 0], labels / 127.5 - 1)


def test_a_set_too_large_for_the_device_gives_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    resident = batches()
    monkeypatch.setattr(module, "RESIDENT_BYTES", 10)
    mapped = batches()
    assert mapped._mapped is not None
    for _ in range(7):
        torch.testing.assert_close(mapped.next(), resident.next(), rtol=0, atol=0)


def test_pixels_survive_the_way_there_and_back() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    unit = to_unit(pixels)
    assert (unit.min().item(), unit.max().item()) == (-1, 1)
    assert torch.equal(to_pixels(unit), pixels)
    assert torch.equal(to_pixels(unit + 0.4 / 127.5), pixels), "rounded, not cut off"
    assert to_pixels(torch.tensor([-9.0, 9.0])).tolist() == [0, 255]
    assert to_pixels(unit.bfloat16()).dtype == torch.uint8
