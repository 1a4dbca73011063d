"""How much a score would move if the samples were drawn again, from one pass over the samples."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class PoissonBootstrap:
    """Bootstrap replicas of means, without keeping the samples.

    The usual bootstrap draws N samples with replacement, so that each is in a replica Binomial(N, 1/N) times. For a
    stream, each sample is instead counted Poisson(1) times in each replica, independently: the limit of that binomial
    (Chamandy et al., "Estimating uncertainty for massive data streams", 2012). The counts are drawn with a fixed seed
    in the order of the samples, so they do not depend on how these are cut into batches.

    Memory: ``replicas`` times V numbers. Time: as much as a product of (replicas, N) and (N, V).

    Args:
        replicas: B.
    """

    def __init__(self, replicas: int) -> None:
        self.replicas = replicas
        self._random = np.random.default_rng(0)
        self._weights: Tensor | None = None
        self._sums: Tensor | None = None

    def add(self, values: Tensor) -> None:
        """Take V numbers for each of N samples: (N, V) float64."""
        counts = self._random.poisson(1.0, (len(values), self.replicas))
        weights = torch.from_numpy(counts).to(values.device, values.dtype)
        total, sums = weights.sum(0), weights.T @ values
        self._weights = total if self._weights is None else self._weights + total
        self._sums = sums if self._sums is None else self._sums + sums

    def means(self) -> Tensor:
        """The means in each replica, (B, V); replicas that happen to hold no sample are left out."""
        if self._weights is None or self._sums is None:
            raise ValueError("no samples were added")
        held = self._weights > 0
        return self._sums[held] / self._weights[held, None]
