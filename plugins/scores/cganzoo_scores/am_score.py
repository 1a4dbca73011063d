"""AM Score (arXiv:1703.02000, eq. 27)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from cganzoo import BuildContext
from cganzoo.metric import Evaluated, Metric

from .checks import class_logits
from .config import AMScoreConfig
from .predictions import Predictions

FLOOR = 1e-18
"""Least probability of a class in the mean prediction on samples, so that the score is finite."""


class AMScore(Metric):
    """AM = KL(E_real C || E_samples C) + E_samples H(C(x)), in nats; 0 is best.

    Zhou et al., arXiv:1703.02000, eq. 27. The reference is the mean prediction on the real images, not their labels.
    The extractor should be a classifier of the same classes; absolute values depend on it.

    The standard error is by a bootstrap over the samples; the mean prediction on the real images counts as exact.

    Memory: K numbers for real images and K for samples, and K for each bootstrap replica.

    Not shown: collapse within a class, which the score may even reward, because one certain image of each class has
    entropy 0. The divergence says little about a conditional generator.
    """

    def __init__(self, config: AMScoreConfig, context: BuildContext) -> None:
        self._real, self._samples = Predictions(), Predictions(config.bootstrap)

    def update_reference(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._real.add(class_logits(batch, "am_score"))

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._samples.add(class_logits(batch, "am_score"))

    def merge(self, other: AMScore) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._real.merge(other._real)
        self._samples.merge(other._samples)

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        real, samples = self._real.marginal(), self._samples.marginal()
        divergence, entropy = float(_kl(real, samples)), float(self._samples.conditional_entropy())
        return {
            "am_score": divergence + entropy,
            "am_score_se": self._samples.standard_error(lambda marginal, mean: _kl(real, marginal) + mean),
            "am_kl": divergence,
            "am_entropy": entropy,
        }


def _kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) of a distribution (K,) from others (..., K): (...), in nats, with q floored at :data:`FLOOR`."""
    return (p.xlogy(p) - p.xlogy(q.clamp_min(FLOOR))).sum(-1)
