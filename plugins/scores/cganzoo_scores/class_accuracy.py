"""Whether samples are of the class they were asked for."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from cganzoo.metric import Evaluated, Metric


class ClassAccuracy(Metric):
    """Share of samples whose largest logit is at the class they were asked for, over all and in the worst class.

    Not defined (``None``) for an unconditional generator, nor with an extractor that tells other classes apart than
    the set's.
    """

    def __init__(self, num_classes: int) -> None:
        self._asked = torch.zeros(num_classes, dtype=torch.int64)
        self._hit = torch.zeros(num_classes, dtype=torch.int64)
        self._defined = True

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        classes = len(self._asked)
        if batch.labels is None or batch.logits.shape[1] != classes:
            self._defined = False
            return
        hit = batch.logits.argmax(1) == batch.labels
        self._asked += batch.labels.bincount(minlength=classes).cpu()
        self._hit += batch.labels[hit].bincount(minlength=classes).cpu()

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        asked = self._asked > 0
        if not self._defined or not asked.any():
            return {"class_accuracy": None, "class_accuracy_worst": None}
        return {
            "class_accuracy": self._hit.sum().item() / self._asked.sum().item(),
            "class_accuracy_worst": (self._hit[asked] / self._asked[asked]).min().item(),
        }
