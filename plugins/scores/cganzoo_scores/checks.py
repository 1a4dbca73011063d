"""Checks of a batch with messages for the user, and the classes of a batch."""

from __future__ import annotations

from torch import Tensor

from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated


def finite_features(batch: Evaluated, metric: str) -> Tensor:
    """The batch's features (N, D).

    Raises:
        CganzooError: a feature is not finite.
    """
    if not batch.features.isfinite().all():
        raise CganzooError(f"metric {metric}: the extractor gives features that are not finite; use another extractor")
    return batch.features


def class_logits(batch: Evaluated, metric: str) -> Tensor:
    """The batch's class logits (N, K). A logit of minus infinity is allowed: it excludes a class.

    Raises:
        CganzooError: the extractor has no classes (K = 0), or its logits are not finite.
    """
    if batch.logits.shape[1] == 0:
        raise CganzooError(
            f"metric {metric} needs class predictions, and the extractor has none; "
            'use the extractor "classifier" or "inception", or leave this metric out'
        )
    if not batch.logits.amax(1).isfinite().all():
        raise CganzooError(f"metric {metric}: the extractor gives logits that are not finite; use another extractor")
    return batch.logits


def requested_or_predicted(batch: Evaluated, metric: str) -> Tensor:
    """The class of each image, (N,) int64: the requested class or, if there is none, the extractor's prediction.

    Raises:
        CganzooError: no class was requested, and the extractor has no classes.
    """
    return class_logits(batch, metric).argmax(1) if batch.labels is None else batch.labels
