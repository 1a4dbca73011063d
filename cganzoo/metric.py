"""What a metric plugin subclasses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Evaluated:
    """A batch of images with what the feature extractor saw in them. Every metric of a pass gets the same one.

    Attributes:
        images: (N, C, H, W) float32 in [-1, 1].
        labels: (N,) int64: the class of a real image, the class that a sample was asked for; ``None`` for samples of
            an unconditional generator.
        features: (N, D) float32.
        logits: (N, K) float32, class logits of the extractor before the softmax.
    """

    images: Tensor
    labels: Tensor | None
    features: Tensor
    logits: Tensor


class Metric(ABC):
    """One score. Fed batch by batch: first all real images, then all samples, each once.

    The result must not depend on how the images are cut into batches.
    """

    def update_reference(self, batch: Evaluated) -> None:
        """Take a batch of real images. Metrics without a reference leave this as it is."""

    @abstractmethod
    def update(self, batch: Evaluated) -> None:
        """Take a batch of samples."""

    @abstractmethod
    def compute(self) -> Mapping[str, float | None]:
        """The spec's outputs by name; ``None`` for one that is not defined here (say, a class score of a generator
        that takes no class).

        Raises:
            CganzooError: the samples do not allow the score (too few, say); the sentence says what to change.
        """
