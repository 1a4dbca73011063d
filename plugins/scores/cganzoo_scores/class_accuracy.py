"""Whether samples are of the class they were asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from cganzoo.metric import Evaluated, Metric

from .checks import class_logits


class ClassAccuracy(Metric):
    """Share of samples whose largest logit is at the class they were asked for, over all and in the worst class.

    From 0 to 1, with the binomial standard error sqrt(p (1 - p) / N) of the share over all. Not defined (``None``) for
    an unconditional generator, nor with an extractor that tells other classes apart than the set's.

    Memory: two counts a class.

    Not shown: what samples of a class look like, or whether they differ; a generator can please the classifier without
    making images of the class. No value is to be trusted beyond the classifier's own accuracy.
    """

    def __init__(self, num_classes: int, *, own_classes: bool = True) -> None:
        self._asked = torch.zeros(num_classes, dtype=torch.int64)
        self._hit = torch.zeros(num_classes, dtype=torch.int64)
        self._defined = own_classes

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        logits, classes = class_logits(batch, "class_accuracy"), len(self._asked)
        if batch.labels is None or logits.shape[1] != classes or not self._defined:
            self._defined = False
            return
        hit = logits.argmax(1) == batch.labels
        self._asked += batch.labels.bincount(minlength=classes).cpu()
        self._hit += batch.labels[hit].bincount(minlength=classes).cpu()

    def merge(self, other: ClassAccuracy) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._asked += other._asked
        self._hit += other._hit
        self._defined &= other._defined

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        asked = self._asked > 0
        if not self._defined or not asked.any():
            return {"class_accuracy": None, "class_accuracy_se": None, "class_accuracy_worst": None}
        count = self._asked.sum().item()
        share = self._hit.sum().item() / count
        return {
            "class_accuracy": share,
            "class_accuracy_se": math.sqrt(share * (1 - share) / count),
            "class_accuracy_worst": (self._hit[asked] / self._asked[asked]).min().item(),
        }

    def per_class(self) -> Mapping[str, Sequence[float | None]]:
        """See :class:`~cganzoo.metric.Metric`."""
        if not self._defined:
            return {}
        counts = zip(self._hit.tolist(), self._asked.tolist(), strict=True)
        return {"class_accuracy": [hit / asked if asked else None for hit, asked in counts]}
