"""Kernel distance of features (arXiv:1801.01401)."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean, pstdev

import numpy as np
import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric

from .checks import finite_features
from .config import KIDConfig

SUBSET_SEED = 2020
"""The seed of torch-fidelity, with the same random generator and order of draws, so that the subsets are the same."""


BLOCK = 1 << 24
"""Kernel values that are computed at once: 128 MiB in float64, a subset of 4,096 images."""


class KID(Metric):
    """Unbiased squared MMD under the kernel (x.y / D + 1)^3, the mean over random subsets; 0 is best.

    Bińkowski et al., arXiv:1801.01401. In float64. A subset is at most as large as the smaller of the two sets; its
    size is reported as ``kid_subset_size``. The value is unbiased, so it can be below 0. The subsets are drawn with a
    fixed seed.

    Memory: the features of every image, float32, because subsets are drawn at the end, and a block of kernel values.

    Not shown: copies of the training images score 0. One number does not distinguish bad images from missing ones.
    """

    def __init__(self, config: KIDConfig, context: BuildContext) -> None:
        self.subsets, self.subset_size = config.subsets, config.subset_size
        self._real: list[Tensor] = []
        self._samples: list[Tensor] = []

    def update_reference(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._real.append(finite_features(batch, "kid"))

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._samples.append(finite_features(batch, "kid"))

    def merge(self, other: KID) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._real += other._real
        self._samples += other._samples

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        counts = [sum(map(len, kept)) for kept in (self._real, self._samples)]
        size = min(self.subset_size, *counts)
        if size < 2:
            raise CganzooError(
                f"kid needs two real images and two samples, but there are {counts[0]} and {counts[1]}; "
                "raise evaluation.samples"
            )
        real, samples = torch.cat(self._real), torch.cat(self._samples)
        random = np.random.RandomState(SUBSET_SEED)
        whole = size == len(real) == len(samples)  # then all subsets are equal
        distances = []
        for _ in range(1 if whole else self.subsets):
            sampled = _drawn(samples, size, random)
            distances.append(_squared_mmd(sampled, _drawn(real, size, random)))
        return {"kid": fmean(distances), "kid_std": pstdev(distances), "kid_subset_size": float(size)}


def _drawn(features: Tensor, size: int, random: np.random.RandomState) -> Tensor:
    indices = torch.from_numpy(random.choice(len(features), size, replace=False))
    return features[indices.to(features.device)].double()


def _squared_mmd(x: Tensor, y: Tensor) -> float:
    """The mean kernel of distinct images within each set (M, D), minus twice the mean kernel between the sets."""
    count = len(x)
    within = sum(_sum(one, one, distinct=True) for one in (x, y))
    return float(within / (count * (count - 1)) - 2 * _sum(x, y) / count**2)


def _sum(x: Tensor, y: Tensor, *, distinct: bool = False) -> Tensor:
    """The sum of the kernel of (N, D) and (M, D), block by block; if ``distinct``, without the diagonal."""
    total = x.new_zeros(())
    rows = max(1, BLOCK // len(y))
    for start in range(0, len(x), rows):
        kernel = (x[start : start + rows] @ y.T / x.shape[1] + 1) ** 3
        total = total + kernel.sum()
        if distinct:
            total = total - kernel.diagonal(start).sum()
    return total
