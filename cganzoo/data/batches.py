"""Training batches: an endless, seeded order of images, which the position alone determines."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .cache import ImageSet

RESIDENT_BYTES = 4 << 30
"""Sets up to this size are copied to the device; larger ones are read from the mapped file during training."""

AHEAD = 3  # batches of a larger set that are read ahead
MIRROR, SHIFT = 1, 2  # make these random numbers others than those of the order; not 0, which would not
COPY_BYTES = 64 << 20  # copied to the device at a time


class Batches:
    """Real batches on the device. Each epoch has its own order; batches continue across epochs, so no image is dropped.

    On the CPU, batches are read from the mapped file, which the system caches in free memory. Any other device holds
    the whole set up to :data:`RESIDENT_BYTES`; of a larger set, a thread reads the next :data:`AHEAD` batches while
    the device works. This takes ``AHEAD + 1`` batches of uint8 pixels (50 MB for 256 images of 128 x 128), however
    large the set is.

    Args:
        seed: seed of the order; ``(seed, position)`` alone determine a batch.
        flip: mirror each image left-right with probability 1/2, anew in each batch.
        shift: move each image by up to this many pixels in each direction, anew in each batch.

    Attributes:
        position: number of batches drawn so far; part of a checkpoint. Set it to resume from there.
        labels: of all images, (count,), on the device.
    """

    def __init__(
        self,
        data: ImageSet,
        batch_size: int,
        seed: int,
        device: torch.device,
        *,
        flip: bool = False,
        shift: int = 0,
    ) -> None:
        self.batch_size, self.seed, self.device, self.flip, self.shift = batch_size, seed, device, flip, shift
        self.position = 0
        self._count = len(data.labels)
        self._epoch, self._order = -1, np.empty(0, np.int64)
        self.labels = torch.from_numpy(data.labels).to(device)
        self._mapped = np.asarray(data.images)
        large = data.images.nbytes > RESIDENT_BYTES
        self._resident = None if large or device.type == "cpu" else _copied(self._mapped, device)
        self._reader = ThreadPoolExecutor(1, "batches") if large else None
        self._ahead: deque[_Reading] = deque()

    def next(self) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) float32 in [-1, 1] and labels (N,) int64."""
        if self._resident is not None:
            chosen = self._to_device(torch.from_numpy(self._indices(self.position)))
            images = self._resident.index_select(0, chosen)
        else:
            indices, pixels = self._read()
            chosen, images = self._to_device(torch.from_numpy(indices)), self._to_device(pixels)
        if self.flip:
            mirrored = self._to_device(torch.from_numpy(self._mirrored(self.position)))
            images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        if self.shift:
            images = _shifted(images, self._to_device(torch.from_numpy(self._moves(self.position))))
        self.position += 1
        return to_unit(images), self.labels.index_select(0, chosen)

    def _read(self) -> tuple[np.ndarray, Tensor]:
        """Indices and uint8 pixels of the batch at the position, read from the file now or earlier."""
        if self._reader is None:
            indices, pixels = self._indices(self.position), self._buffer()
            _gather(self._mapped, indices, pixels)
            return indices, pixels
        if self._ahead and self._ahead[0].position != self.position:  # it was set
            for reading in self._ahead:
                reading.done.cancel()
            self._ahead.clear()
        while len(self._ahead) <= AHEAD:
            position = self.position + len(self._ahead)
            indices, pixels = self._indices(position), self._buffer()
            done = self._reader.submit(_gather, self._mapped, indices, pixels)
            self._ahead.append(_Reading(position, indices, pixels, done))
        reading = self._ahead.popleft()
        reading.done.result()
        return reading.indices, reading.pixels

    def _buffer(self) -> Tensor:
        # Copies from pinned memory overlap with the step that is running.
        shape = (self.batch_size, *self._mapped.shape[1:])
        return torch.empty(shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")

    def _to_device(self, tensor: Tensor) -> Tensor:
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)  # pinned memory is not copied
        return tensor.to(self.device)

    def _mirrored(self, position: int) -> np.ndarray:
        """Which images of a batch are mirrored; (N,) bool."""
        random = np.random.default_rng((self.seed, position, MIRROR))
        return random.random(self.batch_size, np.float32) < 0.5

    def _moves(self, position: int) -> np.ndarray:
        """By how many pixels each image of a batch is moved down and to the right; (N, 2) int64."""
        random = np.random.default_rng((self.seed, position, SHIFT))
        return random.integers(-self.shift, self.shift, (self.batch_size, 2), endpoint=True)

    def _indices(self, position: int) -> np.ndarray:
        start, needed, parts = position * self.batch_size, self.batch_size, []
        while needed:
            epoch, offset = divmod(start, self._count)
            if epoch != self._epoch:
                self._epoch = epoch
                self._order = np.random.default_rng((self.seed, epoch)).permutation(self._count)
            part = self._order[offset : offset + needed]
            parts.append(part)
            start += len(part)
            needed -= len(part)
        return np.concatenate(parts)


class _Reading(NamedTuple):
    """A batch that a thread reads; ``pixels`` are valid when ``done``."""

    position: int
    indices: np.ndarray
    pixels: Tensor
    done: Future[None]


def _gather(images: np.ndarray, indices: np.ndarray, pixels: Tensor) -> None:
    np.take(images, indices, axis=0, out=pixels.numpy(), mode="clip")  # the other modes make a copy first


def _copied(images: np.ndarray, device: torch.device) -> Tensor:
    """Copy the whole data set to the device, without a second copy in the memory of the host."""
    copy = torch.empty(images.shape, dtype=torch.uint8, device=device)
    length = max(1, COPY_BYTES // max(1, images[:1].nbytes))
    for start in range(0, len(images), length):
        copy[start : start + length] = torch.from_numpy(images[start : start + length].copy())
    return copy


def _shifted(images: Tensor, moves: Tensor) -> Tensor:
    """Images (N, C, H, W), each moved by its row of ``moves`` (N, 2); the pixels at the edge are repeated."""
    for axis, shape in ((0, (-1, 1, images.shape[2], 1)), (1, (-1, 1, 1, images.shape[3]))):
        size = images.shape[axis + 2]
        pixels = (torch.arange(size, device=images.device) - moves[:, axis, None]).clamp_(0, size - 1)
        images = images.gather(axis + 2, pixels.view(shape).expand_as(images))
    return images


def to_unit(images: Tensor) -> Tensor:
    """uint8 pixels to float32 in [-1, 1]."""
    return images.float().div_(127.5).sub_(1)


def to_pixels(images: Tensor) -> Tensor:
    """Images in [-1, 1] to uint8 pixels, rounded."""
    return images.float().add(1).mul(127.5).round_().clamp_(0, 255).to(torch.uint8)
