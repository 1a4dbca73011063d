"""Inception Score (arXiv:1606.03498)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from statistics import fmean, pstdev

import numpy as np
import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric

from .checks import class_logits
from .config import InceptionScoreConfig
from .predictions import Predictions, entropy

SHUFFLE_SEED = 2020
"""The seed of torch-fidelity, with the same random generator, so that the splits are the same."""


class InceptionScore(Metric):
    """IS = exp(E KL(C(x) || E C)) = exp(H(E C) - E H(C(x))); from 1 to the number of classes K, higher is better.

    Salimans et al., arXiv:1606.03498, section 4; the second form is arXiv:1703.02000, eq. 25, and eq. 26 there shows
    that the Mode Score is the same number. If ``splits`` is more than 1, the samples are shuffled with a fixed seed
    (they may be sorted by class) and divided into parts of equal size. The score is then the mean over the parts, with
    their population standard deviation. The two entropies are always of the whole set.

    The standard error is that of the whole set's score, by a bootstrap over the samples. It says how much the score
    would change with other samples of the same generator, not with another training run.

    Memory: K numbers and K for each bootstrap replica; if ``splits`` is more than 1, also all logits of the samples.

    Not shown: whether samples look real or like the data at all (real images are not used), and, with a classifier of
    the data set itself, collapse within a class.
    """

    def __init__(self, config: InceptionScoreConfig, context: BuildContext) -> None:
        self.splits = config.splits
        self._whole = Predictions(config.bootstrap)
        self._logits: list[Tensor] = []

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        logits = class_logits(batch, "inception_score")
        self._whole.add(logits)
        if self.splits > 1:
            self._logits.append(logits)

    def merge(self, other: InceptionScore) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._whole.merge(other._whole)
        self._logits += other._logits

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        marginal, conditional = self._whole.marginal(), self._whole.conditional_entropy()
        scores = [float(_score(part.marginal(), part.conditional_entropy())) for part in self._parts()]
        return {
            "inception_score": fmean(scores),
            "inception_score_std": pstdev(scores) if self.splits > 1 else None,
            "inception_score_se": self._whole.standard_error(_score),
            "is_marginal_entropy": float(entropy(marginal)),
            "is_conditional_entropy": float(conditional),
        }

    def _parts(self) -> list[Predictions]:
        if self.splits == 1:
            return [self._whole]
        if self._whole.count < self.splits:
            raise CganzooError(
                f"inception_score: splits = {self.splits} needs as many samples, but there are {self._whole.count}; "
                "lower splits or raise evaluation.samples"
            )
        logits = torch.cat(self._logits)
        order = torch.from_numpy(np.random.RandomState(SHUFFLE_SEED).permutation(len(logits))).to(logits.device)
        bounds = [index * len(logits) // self.splits for index in range(self.splits + 1)]
        parts = []
        for start, end in pairwise(bounds):
            parts.append(Predictions())
            parts[-1].add(logits[order[start:end]])
        return parts


def _score(marginal: Tensor, conditional_entropy: Tensor) -> Tensor:
    return (entropy(marginal) - conditional_entropy).exp()
