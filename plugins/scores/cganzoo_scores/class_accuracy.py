"""Whether samples are of the requested class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from cganzoo import BuildContext
from cganzoo.metric import Evaluated, Metric

from .checks import class_logits
from .config import ClassAccuracyConfig


class ClassAccuracy(Metric):
    """Share of samples whose largest logit is that of the requested class, of all samples and of the worst class.

    From 0 to 1, with the binomial standard error sqrt(p (1 - p) / N) of the first. ``None`` for an unconditional
    generator, and for an extractor with other classes than the data set's.

    Memory: two numbers for each class.

    Not shown: quality and variety; samples can satisfy the classifier without being images of the class. A value is
    not more precise than the classifier's own accuracy.
    """

    def __init__(self, config: ClassAccuracyConfig, context: BuildContext) -> None:
        self._requested = torch.zeros(context.num_classes, dtype=torch.int64)
        self._correct = torch.zeros(context.num_classes, dtype=torch.int64)
        self._defined = context.own_classes

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        if batch.labels is None:
            self._defined = False
            return
        logits, classes = class_logits(batch, "class_accuracy"), len(self._requested)
        if logits.shape[1] != classes or not self._defined:
            self._defined = False
            return
        correct = logits.argmax(1) == batch.labels
        self._requested += batch.labels.bincount(minlength=classes).cpu()
        self._correct += batch.labels[correct].bincount(minlength=classes).cpu()

    def merge(self, other: ClassAccuracy) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._requested += other._requested
        self._correct += other._correct
        self._defined &= other._defined

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        requested = self._requested > 0
        if not self._defined or not requested.any():
            return {"class_accuracy": None, "class_accuracy_se": None, "class_accuracy_worst": None}
        count = self._requested.sum().item()
        share = self._correct.sum().item() / count
        return {
            "class_accuracy": share,
            "class_accuracy_se": math.sqrt(share * (1 - share) / count),
            "class_accuracy_worst": (self._correct[requested] / self._requested[requested]).min().item(),
        }

    def per_class(self) -> Mapping[str, Sequence[float | None]]:
        """See :class:`~cganzoo.metric.Metric`."""
        if not self._defined:
            return {}
        counts = zip(self._correct.tolist(), self._requested.tolist(), strict=True)
        return {"class_accuracy": [correct / requested if requested else None for correct, requested in counts]}
