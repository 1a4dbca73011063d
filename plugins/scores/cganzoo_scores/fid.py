"""Fréchet distance of features (arXiv:1706.08500)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric

from .checks import finite_features
from .config import FIDConfig
from .frechet import Gaussian, frechet_distance


class FID(Metric):
    """|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)) of the features' means and unbiased covariances; 0 is best.

    Heusel et al., arXiv:1706.08500, eq. 6. In float64. Needs two real images and two samples. With fewer images than
    features the covariances are singular, and the value is still exact.

    Memory: a D x D matrix for real images and one for samples.

    Not shown: the estimate is biased upwards for small sets, so compare equal counts. Copies of the training images
    score 0. Only means and correlations count. One number does not distinguish bad images from missing ones.
    """

    def __init__(self, config: FIDConfig, context: BuildContext) -> None:
        self._real, self._samples = _Moments(), _Moments()
        self._origin: Tensor | None = None

    def update_reference(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._real.add(self._moved(batch))

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._samples.add(self._moved(batch))

    def merge(self, other: FID) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        if other._origin is None:  # it has no images
            return
        if self._origin is None:
            self._origin = other._origin
        moved = other._origin - self._origin
        self._real.merge(other._real, moved)
        self._samples.merge(other._samples, moved)

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        if min(self._real.count, self._samples.count) < 2:
            raise CganzooError(
                f"fid needs two real images and two samples, but there are {self._real.count} and "
                f"{self._samples.count}; raise evaluation.samples"
            )
        return {"fid": frechet_distance(self._real.gaussian(), self._samples.gaussian())}

    def _moved(self, batch: Evaluated) -> Tensor:
        """Features relative to those of the first real image: distances stay the same, and sums lose fewer digits."""
        features = finite_features(batch, "fid").double()
        if self._origin is None:
            self._origin = features[:1].clone()
        return features - self._origin


class _Moments:
    """Running sums of features and of their products, in float64."""

    def __init__(self) -> None:
        self.count = 0
        self._sum: Tensor | float = 0.0
        self._products: Tensor | float = 0.0

    def add(self, features: Tensor) -> None:
        self.count += len(features)
        self._sum = self._sum + features.sum(0)
        self._products = self._products + features.T @ features

    def merge(self, other: _Moments, moved: Tensor) -> None:
        """Add sums of features relative to another origin, which is at ``moved`` (1, D) from ours."""
        self.count += other.count
        self._sum = self._sum + other._sum + other.count * moved[0]
        mixed = torch.as_tensor(other._sum) * moved.T if other.count else moved.T * 0
        self._products = self._products + other._products + mixed + mixed.T + other.count * moved * moved.T

    def gaussian(self) -> Gaussian:
        mean = torch.as_tensor(self._sum) / self.count
        covariance = (torch.as_tensor(self._products) - self.count * mean.outer(mean)) / (self.count - 1)
        return Gaussian.of_covariance(mean, covariance)
