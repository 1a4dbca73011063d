"""The order in which training reads its images: seeded, endless, and known by its position alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .cache import ImageSet

RESIDENT_BYTES = 4 << 30
"""Sets up to this size are copied to the device; larger ones are read from the mapped file batch by batch."""


class Batches:
    """Real batches on the device: epoch after epoch, each in an order of its own, with no remainder dropped.

    Args:
        data: the packed set.
        batch_size: N.
        seed: of the order; ``(seed, position)`` alone decide a batch.
        device: where batches are wanted.

    Attributes:
        position: batches drawn so far; part of a checkpoint.
    """

    def __init__(self, data: ImageSet, batch_size: int, seed: int, device: torch.device) -> None:
        self.batch_size, self.seed, self.device = batch_size, seed, device
        self.position = 0
        self._count = len(data.labels)
        self._epoch, self._order = -1, np.empty(0, np.int64)
        self._mapped = data.images if data.images.nbytes > RESIDENT_BYTES else None
        if self._mapped is None:
            self._images = torch.from_numpy(np.array(data.images)).to(device)
        self._labels = torch.from_numpy(data.labels).to(device)

    def next(self) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) float32 in [-1, 1] and labels (N,) int64."""
        indices = self._indices(self.position * self.batch_size)
        self.position += 1
        on_device = self._to_device(torch.from_numpy(indices))
        if self._mapped is None:
            images = self._images.index_select(0, on_device)
        else:
            images = self._to_device(torch.from_numpy(self._mapped[indices]))
        return to_unit(images), self._labels.index_select(0, on_device)

    def _to_device(self, tensor: Tensor) -> Tensor:
        # Pinned memory lets the copy overlap with the step that is still running.
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else tensor

    def _indices(self, start: int) -> np.ndarray:
        parts, needed = [], self.batch_size
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


def to_unit(images: Tensor) -> Tensor:
    """uint8 pixels to float32 in [-1, 1]."""
    return images.float().div_(127.5).sub_(1)


def to_pixels(images: Tensor) -> Tensor:
    """Images in [-1, 1] to uint8 pixels, rounded."""
    return images.float().add(1).mul(127.5).round_().clamp_(0, 255).to(torch.uint8)
