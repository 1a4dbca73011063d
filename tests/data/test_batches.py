"""The order of training images: seeded, whole epochs, and a matter of the position alone."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

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


def test_a_mapped_file_is_read_where_it_is(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    mapped = np.memmap(tmp_path / "images", np.uint8, "w+", shape=(COUNT, 1, 2, 2))
    mapped[:] = data().images
    mapped.flush()
    mapped = np.memmap(tmp_path / "images", np.uint8, "r", shape=(COUNT, 1, 2, 2))
    of = Batches(replace(data(), images=mapped), 4, 0, torch.device("cpu"))
    assert np.shares_memory(of._mapped, mapped), "no copy of the set"
    expected = batches()
    for _ in range(7):
        torch.testing.assert_close(of.next(), expected.next(), rtol=0, atol=0)
    assert not recwarn.list


# --- mirroring ------------------------------------------------------------------------------------------------------


def sided() -> ImageSet:
    """Image k has k in its left column and 100 + k in its right one."""
    images = np.broadcast_to(np.arange(COUNT, dtype=np.uint8)[:, None, None, None], (COUNT, 1, 2, 2)).copy()
    images[..., 1] += 100
    return replace(data(), images=images)


def flipped(seed: int = 0, batch_size: int = 8) -> Batches:
    return Batches(sided(), batch_size, seed, torch.device("cpu"), flip=True)


def test_half_of_the_images_are_mirrored_left_right_and_keep_their_labels() -> None:
    of, turned = flipped(), 0
    for _ in range(100):
        images, labels = of.next()
        pixels = to_pixels(images)[:, 0]
        left = pixels[:, :, 0]
        mirrored = left[:, 0] >= 100
        turned += int(mirrored.sum())
        assert torch.equal(left, left[:, :1].expand(-1, 2)), "rows stay where they are"
        assert torch.equal(pixels.sum(2).long(), (100 + 2 * labels)[:, None].expand(-1, 2))
        assert torch.equal(left[:, 0].long(), labels + 100 * mirrored)
    assert abs(turned - 400) < 60  # 4.2 standard deviations of 800 draws


def test_mirroring_changes_neither_the_order_nor_torchs_random_state() -> None:
    state = torch.get_rng_state()
    assert stream(flipped(), 20) == stream(batches(8), 20)
    assert torch.equal(torch.get_rng_state(), state)


def test_seed_and_position_alone_decide_what_is_mirrored() -> None:
    straight, jumping = flipped(), flipped()
    expected = [straight.next()[0] for _ in range(10)]
    for position in (7, 2, 9, 9, 0):
        jumping.position = position
        assert torch.equal(jumping.next()[0], expected[position])
    assert len({flipped(seed).next()[0].numpy().tobytes() for seed in range(5)}) == 5
    masks = {straight._mirrored(position).tobytes() for position in range(10)}
    assert len(masks) > 8, "each batch has its own"


def test_without_mirroring_the_pixels_are_as_packed() -> None:
    images, labels = Batches(sided(), 8, 0, torch.device("cpu")).next()
    assert torch.equal(to_pixels(images)[:, 0, 0, 0].long(), labels)


# --- sets too large for the device ----------------------------------------------------------------------------------


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every set is too large."""
    monkeypatch.setattr(module, "RESIDENT_BYTES", 10)


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("make", [batches, flipped])
def test_a_set_too_large_for_the_device_gives_the_same_batches(monkeypatch: pytest.MonkeyPatch, make) -> None:
    mapped = make()
    monkeypatch.undo()
    resident = make()
    assert (mapped._reader is None, resident._reader is None) == (False, True)
    for position in (*range(20), 3, 4, 5, 40, 0, 0):
        mapped.position = resident.position = position
        torch.testing.assert_close(mapped.next(), resident.next(), rtol=0, atol=0)
        assert mapped.position == position + 1, "batches read ahead do not count"


@pytest.mark.gpu
def test_batches_on_a_gpu_are_those_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    resident = Batches(data(), 4, 0, torch.device("cuda"))
    monkeypatch.setattr(module, "RESIDENT_BYTES", 10)
    streamed = Batches(data(), 4, 0, torch.device("cuda"))
    monkeypatch.undo()
    on_cpu = batches()
    assert resident._resident is not None
    for _ in range(50):
        expected = on_cpu.next()
        for of in (resident, streamed):
            images, labels = of.next()
            torch.testing.assert_close((images.cpu(), labels.cpu()), expected, rtol=0, atol=0)


@pytest.mark.usefixtures("large")
def test_batches_are_read_ahead_by_one_thread_and_no_further_than_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    gather = module._gather
    read: list[tuple[str, int]] = []

    def watched(images: np.ndarray, indices: np.ndarray, pixels: torch.Tensor) -> None:
        gather(images, indices, pixels)
        read.append((threading.current_thread().name, int(pixels[0, 0, 0, 0])))

    monkeypatch.setattr(module, "_gather", watched)
    of = batches()
    assert not read
    for drawn in range(1, 5):
        of.next()
        deadline = time.monotonic() + 10
        while len(read) < drawn + module.AHEAD and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.01)
        assert len(read) == drawn + module.AHEAD
    assert {name for name, _ in read} == {"batches_0"}
    monkeypatch.undo()
    assert [first for _, first in read] == [int(batches_at(position)[1][0]) for position in range(len(read))]


def batches_at(position: int) -> tuple[torch.Tensor, torch.Tensor]:
    of = batches()
    of.position = position
    return of.next()


@pytest.mark.usefixtures("large")
def test_an_error_while_reading_is_raised_by_next(monkeypatch: pytest.MonkeyPatch) -> None:
    gather, calls = module._gather, itertools.count()

    def failing(images: np.ndarray, indices: np.ndarray, pixels: torch.Tensor) -> None:
        if next(calls) == 2:
            raise OSError("the disk is gone")
        gather(images, indices, pixels)

    expected = [batches_at(position) for position in range(3)]
    monkeypatch.setattr(module, "_gather", failing)
    of = batches()
    for position in range(2):
        torch.testing.assert_close(of.next(), expected[position], rtol=0, atol=0)
    with pytest.raises(OSError, match="the disk is gone"):
        of.next()
    assert of.position == 2
    torch.testing.assert_close(of.next(), expected[2], rtol=0, atol=0)


@pytest.mark.usefixtures("large")
def test_the_thread_ends_with_the_object() -> None:
    before = set(readers())
    of = batches()
    of.next()
    (thread,) = set(readers()) - before
    del of
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_the_thread_ends_with_the_process() -> None:
    program = """
import numpy as np, torch
from cganzoo.data import batches as module
from cganzoo.data.cache import ImageSet
module.RESIDENT_BYTES = 0
of = module.Batches(ImageSet(np.zeros((9, 1, 2, 2), np.uint8), np.zeros(9, np.int64), ("a",), "train", ""), 4, 0,
                    torch.device("cpu"))
of.next()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_pixels_survive_the_way_there_and_back() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    unit = to_unit(pixels)
    assert (unit.min().item(), unit.max().item()) == (-1, 1)
    assert torch.equal(to_pixels(unit), pixels)
    assert torch.equal(to_pixels(unit + 0.4 / 127.5), pixels), "rounded, not cut off"
    assert to_pixels(torch.tensor([-9.0, 9.0])).tolist() == [0, 255]
    assert to_pixels(unit.bfloat16()).dtype == torch.uint8
