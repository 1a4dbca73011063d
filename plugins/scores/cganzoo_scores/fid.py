"""Fréchet distance of features (arXiv:1706.08500)."""

from __future__ import annotations

from collections.abc import Mapping

from torchmetrics.image.fid import FrechetInceptionDistance

from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric

from .features import HostFeatures


class FID(Metric):
    """|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)) of the features' means and unbiased covariances, in float64.

    Defined from two images on each side; with fewer images than features the covariances are singular, the trace of
    the root still exists and is what is computed. The value is biased upwards for small sets: compare equal counts.
    """

    def __init__(self, feature_dim: int) -> None:
        self._distance = FrechetInceptionDistance(feature=HostFeatures(feature_dim))
        self._real_count = self._sample_count = 0

    def update_reference(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._distance.to(batch.features.device).update(batch.features, real=True)
        self._real_count += len(batch.features)

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._distance.to(batch.features.device).update(batch.features, real=False)
        self._sample_count += len(batch.features)

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        if min(self._real_count, self._sample_count) < 2:
            raise CganzooError(
                f"fid needs two real images and two samples, but there are {self._real_count} and "
                f"{self._sample_count}; raise evaluation.samples"
            )
        # A squared distance: rounding can leave a zero slightly below it.
        return {"fid": max(0.0, self._distance.compute().item())}
