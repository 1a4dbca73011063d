"""What a metric keeps of images: all with their classes, the first of each class, a random subset; pixels as 8 bits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def to_pixels(images: Tensor) -> Tensor:
    """Images in [-1, 1] as uint8 pixels, rounded."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def to_unit(pixels: Tensor) -> Tensor:
    """uint8 pixels as float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1


class LabelledTensors:
    """One tensor for each image, and the classes of the images."""

    def __init__(self) -> None:
        self.parts: list[tuple[Tensor, Tensor]] = []

    def add(self, tensors: Tensor, labels: Tensor) -> None:
        """Add tensors (N, ...) and labels (N,)."""
        self.parts.append((tensors, labels))

    def merge(self, other: LabelledTensors) -> None:
        """Append the tensors of ``other``."""
        self.parts += other.parts

    def together(self) -> tuple[Tensor, Tensor]:
        """All tensors (N, ...) and labels (N,). At least one tensor must have been added."""
        tensors, labels = zip(*self.parts, strict=True)
        return torch.cat(tensors), torch.cat(labels)

    def by_class(self) -> dict[int, Tensor]:
        """The tensors (n, ...) of each class, in their order."""
        if not self.parts:
            return {}
        tensors, labels = self.together()
        return {label: tensors[labels == label] for label in sorted(set(labels.tolist()))}


class FirstOfEach:
    """A tensor for each of the first images of each class. Images are independent, so the first are a random choice.

    Args:
        limit: number of images of each class.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept: dict[int, list[Tensor]] = defaultdict(list)

    def add(self, classes: Tensor, row: Callable[[int], Tensor]) -> None:
        """Take images with ``classes`` (N,); ``row(n)`` returns the tensor of image n and is called if it is kept."""
        for index, label in enumerate(classes.tolist()):
            if len(self._kept[label]) < self.limit:
                self._kept[label].append(row(index).clone())  # a view would keep the whole batch

    def merge(self, other: FirstOfEach) -> None:
        """Append the images of ``other``."""
        for label, kept in other._kept.items():
            self._kept[label] += kept[: self.limit - len(self._kept[label])]

    def by_class(self) -> dict[int, Tensor]:
        """The tensors (n, ...) of each class with at least two images, in the order of the classes."""
        return {label: torch.stack(kept) for label, kept in sorted(self._kept.items()) if len(kept) > 1}


class RandomSubset:
    """The features of up to ``size`` images of a stream, a uniformly random subset of it.

    Each image gets a random number, in the order of the stream and with a fixed seed; those with the smallest numbers
    are kept. So the subset does not depend on the batches.

    Memory: up to twice ``size`` features, because features are dropped from time to time only.

    Args:
        size: images to keep.
        seed: of the random numbers.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self._random = np.random.default_rng(seed)
        self._count = 0  # images of the stream
        self._numbers = np.empty(0)  # of the images that are kept
        self._features: list[Tensor] = []

    def __len__(self) -> int:
        return min(self.size, len(self._numbers))

    def add(self, features: Tensor) -> None:
        """Take the next images' features (N, D)."""
        self._take(features, self._random.random(len(features)), len(features))

    def merge(self, other: RandomSubset) -> None:
        """Append the stream of ``other``.

        A new number is drawn for each image of ``other``. If ``other`` has dropped images, its kept images are a random
        subset of its stream, so they get the smallest numbers.
        """
        if other._count > len(other._numbers):
            other._drop()
        numbers, left = self._random.random(other._count), len(other._numbers)
        if left < len(numbers):
            numbers = numbers[_smallest(numbers, left)]
        if left:
            self._take(torch.cat(other._features), numbers, other._count)

    def features(self) -> Tensor:
        """The features (n, D) of the kept images, in the order of the stream; n is at most ``size``."""
        self._drop()
        return torch.cat(self._features)

    def _take(self, features: Tensor, numbers: np.ndarray, count: int) -> None:
        self._count += count
        self._numbers = np.concatenate([self._numbers, numbers])
        self._features.append(features)
        if len(self._numbers) > 2 * self.size:
            self._drop()

    def _drop(self) -> None:
        if len(self._numbers) > self.size:
            stay = _smallest(self._numbers, self.size)
            features = torch.cat(self._features)
            self._numbers = self._numbers[stay]
            self._features = [features[torch.from_numpy(stay).to(features.device)]]


def _smallest(numbers: np.ndarray, count: int) -> np.ndarray:
    """Positions of the ``count`` smallest, sorted."""
    return np.sort(np.argpartition(numbers, count)[:count])
