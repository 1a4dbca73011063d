"""A random subset of a stream, of bounded size."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class RandomSubset:
    """The features of up to ``size`` images of a stream, each image as likely as any other to be among them.

    Each image is given a random number, in the order of the stream and with a fixed seed, and those with the smallest
    stay: which ones does not depend on how the stream is cut into batches. Of a stream of up to ``size`` all stay.

    Memory: up to twice ``size`` features, as those that must go are dropped now and then.

    Args:
        size: images to keep.
        seed: of the random numbers.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self._random = np.random.default_rng(seed)
        self._count = 0  # images that came
        self._numbers = np.empty(0)  # of those that are still here
        self._features: list[Tensor] = []

    def __len__(self) -> int:
        return min(self.size, len(self._numbers))

    def add(self, features: Tensor) -> None:
        """Take the next images' features (N, D)."""
        self._take(features, self._random.random(len(features)), len(features))

    def merge(self, other: RandomSubset) -> None:
        """Take over what is left of another stream, as if all of it had come after ours.

        Its images get new numbers, as many as came. Where some were dropped, those that are left are a random subset
        of them, and so get the smallest numbers: it does not matter which of them the dropped ones would have had.
        """
        if other._count > len(other._numbers):
            other._drop()
        numbers, left = self._random.random(other._count), len(other._numbers)
        if left < len(numbers):
            numbers = numbers[_smallest(numbers, left)]
        if left:
            self._take(torch.cat(other._features), numbers, other._count)

    def features(self) -> Tensor:
        """(n, D), in the order of the stream; n is ``size``, or less if there were fewer."""
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
    """Where the ``count`` smallest are, in their order."""
    return np.sort(np.argpartition(numbers, count)[:count])
