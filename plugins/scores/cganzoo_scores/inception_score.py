"""Inception Score (arXiv:1606.03498)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean, pstdev

import torch
from torch import Tensor

from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric

from .config import InceptionScoreConfig
from .predictions import Predictions


class InceptionScore(Metric):
    """IS = exp(E KL(C(x) || E C)) = exp(H(E C) - E H(C(x))), by arXiv:1703.02000, eq. 25.

    The Mode Score is the same number (eq. 26). With ``splits`` of more than 1, samples are shuffled with a fixed seed
    (they may come sorted by class) and cut in parts of equal size: the score is the parts' mean, with their population
    standard deviation. The two entropies are always the whole set's.
    """

    def __init__(self, config: InceptionScoreConfig) -> None:
        self.splits = config.splits
        self._whole = Predictions()
        self._logits: list[Tensor] = []

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._whole.add(batch.logits)
        if self.splits > 1:
            self._logits.append(batch.logits)

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        scores = [_score(part) for part in self._parts()] if self.splits > 1 else [_score(self._whole)]
        return {
            "inception_score": fmean(scores),
            "inception_score_std": pstdev(scores) if self.splits > 1 else None,
            "is_marginal_entropy": self._whole.marginal_entropy(),
            "is_conditional_entropy": self._whole.conditional_entropy(),
        }

    def _parts(self) -> list[Predictions]:
        if self._whole.count < self.splits:
            raise CganzooError(
                f"inception_score: splits = {self.splits} needs as many samples, but there are {self._whole.count}; "
                "lower splits or raise evaluation.samples"
            )
        logits = torch.cat(self._logits)
        order = torch.randperm(len(logits), generator=torch.Generator().manual_seed(0)).to(logits.device)
        parts = []
        for indices in order.tensor_split(self.splits):
            parts.append(Predictions())
            parts[-1].add(logits[indices])
        return parts


def _score(predictions: Predictions) -> float:
    return math.exp(predictions.marginal_entropy() - predictions.conditional_entropy())
