"""How much a score would change with other samples, estimated in one pass over the samples."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class PoissonBootstrap:
    """Bootstrap replicas of means, without keeping the samples.

    The usual bootstrap draws N samples with replacement, so each is in a replica Binomial(N, 1/N) times. Here each
    sample is in each replica Poisson(1) times, the limit of that binomial (Chamandy et al., "Estimating uncertainty for
    massive data streams", 2012). The counts are drawn with a fixed seed in the order of the samples, so they do not
    depend on the batches.

    Memory: ``replicas`` times V numbers. Time: of a product of (replicas, N) and (N, V).

    Args:
        replicas: B.
    """

    def __init__(self, replicas: int) -> None:
        self.replicas = replicas
        self._random = np.random.default_rng(0)
        self._weights: Tensor | None = None
        self._sums: Tensor | None = None

    def add(self, values: Tensor) -> None:
        """Add V numbers for each of N samples: (N, V) float64."""
        counts = self._random.poisson(1.0, (len(values), self.replicas))
        weights = torch.from_numpy(counts).to(values.device, values.dtype)
        total, sums = weights.sum(0), weights.T @ values
        self._weights = total if self._weights is None else self._weights + total
        self._sums = sums if self._sums is None else self._sums + sums

    def merge(self, other: PoissonBootstrap) -> None:
        """Add the samples of another one.

        Both drew the same counts, so the other's replicas are permuted first. Otherwise the counts of its samples would
        be those of ours.
        """
        if other._weights is None or other._sums is None:
            return
        partners = torch.from_numpy(self._random.permutation(self.replicas)).to(other._sums.device)
        total, sums = other._weights[partners], other._sums[partners]
        self._weights = total if self._weights is None else self._weights + total
        self._sums = sums if self._sums is None else self._sums + sums

    def means(self) -> Tensor:
        """The means in each replica, (B, V), without replicas that have no sample."""
        if self._weights is None or self._sums is None:
            raise ValueError("no samples were added")
        held = self._weights > 0
        return self._sums[held] / self._weights[held, None]
