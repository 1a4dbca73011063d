"""What Inception Score and AM Score are made of: the mean prediction and the predictions' entropies."""

from __future__ import annotations

import torch
from torch import Tensor

from cganzoo.errors import CganzooError


class Predictions:
    """Running sums over the softmax C(x) of each image, in float64. Entropies are in nats, and 0 log 0 is 0."""

    def __init__(self) -> None:
        self.count = 0
        self._sum: Tensor | None = None
        self._entropy_sum: Tensor | None = None

    def add(self, logits: Tensor) -> None:
        """Take the class logits (N, K) of N images."""
        predictions = logits.double().softmax(1)
        total, entropy = predictions.sum(0), torch.special.entr(predictions).sum()
        self._sum = total if self._sum is None else self._sum + total
        self._entropy_sum = entropy if self._entropy_sum is None else self._entropy_sum + entropy
        self.count += len(logits)

    def marginal(self) -> Tensor:
        """The mean prediction E C(x), (K,).

        Raises:
            CganzooError: there were no images.
        """
        if self._sum is None:
            raise CganzooError("there are no images to score; raise evaluation.samples")
        return self._sum / self.count

    def marginal_entropy(self) -> float:
        """H(E C(x)), from 0 to log K."""
        return float(torch.special.entr(self.marginal()).sum())

    def conditional_entropy(self) -> float:
        """E H(C(x)), from 0 to log K."""
        if self._entropy_sum is None:
            raise CganzooError("there are no images to score; raise evaluation.samples")
        return float(self._entropy_sum) / self.count
