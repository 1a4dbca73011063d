"""What a batch must hold before a score is made of it; a sentence for the user where it does not."""

from __future__ import annotations

from torch import Tensor

from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated


def finite_features(batch: Evaluated, metric: str) -> Tensor:
    """The batch's features (N, D).

    Raises:
        CganzooError: one is infinite or not a number, which every distance would inherit.
    """
    if not batch.features.isfinite().all():
        raise CganzooError(f"metric {metric}: the extractor gives features that are not finite; use another extractor")
    return batch.features


def class_logits(batch: Evaluated, metric: str) -> Tensor:
    """The batch's class logits (N, K). A logit of minus infinity is a class ruled out, and allowed.

    Raises:
        CganzooError: the extractor tells no classes apart (K = 0), or its logits are no predictions.
    """
    if batch.logits.shape[1] == 0:
        raise CganzooError(
            f"metric {metric} needs class predictions, and the extractor has none; "
            'use the extractor "classifier" or "inception", or leave this metric out'
        )
    if not batch.logits.amax(1).isfinite().all():
        raise CganzooError(f"metric {metric}: the extractor gives logits that are not finite; use another extractor")
    return batch.logits


def asked_or_predicted(batch: Evaluated, metric: str) -> Tensor:
    """The class of each image, (N,) int64: the one it was asked for, the extractor's where none was.

    Raises:
        CganzooError: no class was asked for, and the extractor predicts none.
    """
    return class_logits(batch, metric).argmax(1) if batch.labels is None else batch.labels
