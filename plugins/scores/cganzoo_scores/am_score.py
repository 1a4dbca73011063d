"""AM Score (arXiv:1703.02000, eq. 27)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from cganzoo.metric import Evaluated, Metric

from .predictions import Predictions

FLOOR = 1e-18
"""A class that no sample was taken for counts as this probable, so that the score stays finite."""


class AMScore(Metric):
    """AM = KL(E_real C || E_samples C) + E_samples H(C(x)), in nats; 0 is best.

    The reference is the mean prediction on the real images, not the count of their labels. The extractor is meant to
    be a classifier of the same classes.
    """

    def __init__(self) -> None:
        self._real, self._samples = Predictions(), Predictions()

    def update_reference(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._real.add(batch.logits)

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._samples.add(batch.logits)

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        divergence = _kl(self._real.marginal(), self._samples.marginal())
        entropy = self._samples.conditional_entropy()
        return {"am_score": divergence + entropy, "am_kl": divergence, "am_entropy": entropy}


def _kl(p: Tensor, q: Tensor) -> float:
    """KL(p || q) of two distributions (K,), in nats, with q floored at :data:`FLOOR`."""
    return (p.xlogy(p) - p.xlogy(q.clamp_min(FLOOR))).sum().item()
