"""Precision, recall, density and coverage of samples with respect to real images."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric

from .checks import finite_features
from .config import PRDCConfig
from .kept_images import RandomSubset
from .neighbours import blocks, nearest, squared_distances

TIE = 1e-9
"""Squared distances with a relative difference below this count as equal, because of rounding."""


class PRDC(Metric):
    """How many samples and real images are in each other's neighbourhoods in feature space.

    B(x) is the ball around x whose radius is the distance to the k-th nearest other image of its own set. For N real
    images X and M samples Y:

    - precision = share of Y inside some B(X_i), 0 to 1 (Kynkäänniemi et al., arXiv:1904.06991, eq. 1 and 2);
    - recall = share of X inside some B(Y_j), 0 to 1 (the same);
    - density = 1/(kM) sum over pairs of [Y_j inside B(X_i)], 0 or more, about 1 for real images (Naeem et al.,
      arXiv:2002.09797);
    - coverage = share of X with some Y_j inside B(X_i), 0 to 1, about 1 - 2^-k for as many real images (the same).

    Balls are closed for precision and recall, as in the first paper's eq. 1, and open for density and coverage, as in
    the second paper's code. So copies of the real images have density and coverage 1, and an image with more than k
    copies covers nothing. This matters for equal distances only.

    If there are more than ``max_images`` real images or samples, a random subset is used, drawn with a fixed seed.
    Values depend on both counts, so compare equal counts.

    Memory: features of ``max_images`` real images and samples (float32; twice as many before the end), and a block of
    distances.

    Not shown: copies of the training images score best. One outlier among the real images has a large ball, which can
    contain samples unlike any real image. That raises precision, and density only a little. Recall depends on outliers
    among the samples in the same way.
    """

    def __init__(self, config: PRDCConfig, context: BuildContext) -> None:
        self.nearest_k = config.nearest_k
        self._real = RandomSubset(config.max_images, seed=0)
        self._samples = RandomSubset(config.max_images, seed=1)

    def update_reference(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._real.add(finite_features(batch, "prdc"))

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._samples.add(finite_features(batch, "prdc"))

    def merge(self, other: PRDC) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._real.merge(other._real)
        self._samples.merge(other._samples)

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        if min(len(self._real), len(self._samples)) <= self.nearest_k:
            raise CganzooError(
                f"prdc: nearest_k = {self.nearest_k} needs more than that many real images and samples, but there are "
                f"{len(self._real)} and {len(self._samples)}; raise evaluation.samples or lower nearest_k"
            )
        real, samples = self._real.features(), self._samples.features()
        real_radii, sample_radii = self._radii(real), self._radii(samples)
        precise, dense = (
            torch.zeros_like(sample_radii, dtype=torch.bool),
            torch.zeros_like(sample_radii, dtype=torch.int64),
        )
        covered, recalled = (torch.zeros_like(real_radii, dtype=torch.bool) for _ in range(2))
        for rows in blocks(len(samples)):
            for columns in blocks(len(real)):
                squared = squared_distances(samples[rows], real[columns])
                inside = squared < (1 - TIE) * real_radii[columns]
                precise[rows] |= (squared <= (1 + TIE) * real_radii[columns]).any(1)
                dense[rows] += inside.sum(1)
                covered[columns] |= inside.any(0)
                recalled[columns] |= (squared <= (1 + TIE) * sample_radii[rows, None]).any(0)
        return {
            "coverage": _mean(covered),
            "density": _mean(dense) / self.nearest_k,
            "precision": _mean(precise),
            "recall": _mean(recalled),
        }

    def _radii(self, features: Tensor) -> Tensor:
        """The squared distance of each to its k-th nearest other, (N,)."""
        itself = torch.arange(len(features), device=features.device)
        return nearest(features, features, self.nearest_k, itself=itself)[0][:, -1]


def _mean(values: Tensor) -> float:
    return float(values.double().mean())
