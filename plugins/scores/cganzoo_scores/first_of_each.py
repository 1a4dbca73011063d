"""Something of the first images of each class; images are independent draws, so these are as random as any."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor


class FirstOfEach:
    """What is kept of the first images of each class.

    Args:
        limit: images of a class.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept: dict[int, list[Tensor]] = defaultdict(list)

    def add(self, classes: Tensor, row: Callable[[int], Tensor]) -> None:
        """Take the next images, of ``classes`` (N,); ``row(n)`` is called for those that are kept."""
        for index, label in enumerate(classes.tolist()):
            if len(self._kept[label]) < self.limit:
                self._kept[label].append(row(index).clone())  # a view would keep the whole batch

    def merge(self, other: FirstOfEach) -> None:
        """Take over the images of another one, as if they had come after ours."""
        for label, kept in other._kept.items():
            self._kept[label] += kept[: self.limit - len(self._kept[label])]

    def by_class(self) -> dict[int, Tensor]:
        """(n, ...) of each class with two images or more, in the order of the classes."""
        return {label: torch.stack(kept) for label, kept in sorted(self._kept.items()) if len(kept) > 1}

    def classes(self) -> list[Tensor]:
        """The same without the classes."""
        return list(self.by_class().values())
