"""The mean prediction and the mean entropy of predictions, for Inception Score and AM Score."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cganzoo.errors import CganzooError

from .bootstrap import PoissonBootstrap

Score = Callable[[Tensor, Tensor], Tensor]
"""Mean predictions (..., K) and mean entropies (...) to scores (...)."""


class Predictions:
    """Running sums of the softmax C(x) of each image, and of its entropy. Uses float64 and nats; 0 log 0 is 0.

    Memory: K numbers, and K more for each bootstrap replica.

    Args:
        replicas: number of bootstrap replicas for :meth:`standard_error`; 0 means no bootstrap.
    """

    def __init__(self, replicas: int = 0) -> None:
        self.count = 0
        self._sums: Tensor | None = None  # of the probability of each class, and of the entropy
        self._bootstrap = PoissonBootstrap(replicas) if replicas else None

    def add(self, logits: Tensor) -> None:
        """Take the class logits (N, K) of N images."""
        predictions = logits.double().softmax(1)
        rows = torch.cat([predictions, entropy(predictions)[:, None]], 1)
        self._sums = rows.sum(0) if self._sums is None else self._sums + rows.sum(0)
        self.count += len(logits)
        if self._bootstrap:
            self._bootstrap.add(rows)

    def merge(self, other: Predictions) -> None:
        """Add the images of ``other``."""
        if other._sums is not None:
            self._sums = other._sums if self._sums is None else self._sums + other._sums
        self.count += other.count
        if self._bootstrap and other._bootstrap:
            self._bootstrap.merge(other._bootstrap)

    def marginal(self) -> Tensor:
        """The mean prediction E C(x), (K,)."""
        return self._means()[:-1]

    def conditional_entropy(self) -> Tensor:
        """The mean entropy E H(C(x)), a scalar from 0 to log K."""
        return self._means()[-1]

    def standard_error(self, score: Score) -> float | None:
        """Standard deviation of ``score`` over the bootstrap's replicas; ``None`` without replicas or for one image."""
        if self._bootstrap is None or self.count < 2:
            return None
        means = self._bootstrap.means()
        return float(score(means[:, :-1], means[:, -1]).std())

    def _means(self) -> Tensor:
        if self._sums is None:
            raise CganzooError("there are no images to score; raise evaluation.samples")
        return torch.div(self._sums, self.count)


def entropy(predictions: Tensor) -> Tensor:
    """H of distributions (..., K): (...), in nats."""
    terms: Tensor = torch.special.entr(predictions)
    return terms.sum(-1)
