"""Kernel distance of features (arXiv:1801.01401)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
from torchmetrics.image.kid import KernelInceptionDistance

from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric

from .config import KIDConfig
from .features import HostFeatures


class KID(Metric):
    """Unbiased squared MMD under the kernel (x.y / D + 1)^3, the mean over random subsets; in float64.

    A subset is no larger than the smaller of the two sets; its size is reported as ``kid_subset_size``. Being
    unbiased, the value can lie below 0. Keeps the features of every image.
    """

    def __init__(self, config: KIDConfig, feature_dim: int) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all", UserWarning)
            self._distance = KernelInceptionDistance(feature=HostFeatures(feature_dim), subsets=config.subsets)
        self._subset_size = config.subset_size
        self._real_count = self._sample_count = 0

    def update_reference(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._distance.update(batch.features, real=True)
        self._real_count += len(batch.features)

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._distance.update(batch.features, real=False)
        self._sample_count += len(batch.features)

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        size = min(self._subset_size, self._real_count, self._sample_count)
        if size < 2:
            raise CganzooError(
                f"kid needs two real images and two samples, but there are {self._real_count} and "
                f"{self._sample_count}; raise evaluation.samples"
            )
        self._distance.subset_size = size
        if size == self._real_count == self._sample_count:
            self._distance.subsets = 1  # every subset would be the whole
        # torchmetrics draws its subsets from the CPU's global generator; torch.manual_seed would also reseed GPUs,
        # which this does not put back.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            mean, std = self._distance.compute()
        return {"kid": mean.item(), "kid_std": std.item(), "kid_subset_size": float(size)}
