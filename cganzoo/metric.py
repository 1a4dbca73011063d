"""The base class of metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from torch import Tensor
from typing_extensions import Self

from .networks import Generator

Recall = Callable[[Tensor], Tensor]
"""Returns the images (N, C, H, W) in [-1, 1] at positions (N,) int64, counted in the order of ``update_reference``."""


class Evaluated:
    """A batch of images with their features and logits. Every metric of an evaluation gets the same batches.

    Args:
        images: the images, or a function that reads them, because most metrics do not need the images themselves.
        labels: (N,) int64: the class of a real image, the requested class of a sample; ``None`` for samples of an
            unconditional generator.
        features: (N, D) float32.
        logits: (N, K) float32, the extractor's class logits before the softmax; K is 0 if it has no classes.
    """

    labels: Tensor | None
    features: Tensor
    logits: Tensor

    def __init__(
        self, images: Tensor | Callable[[], Tensor], labels: Tensor | None, features: Tensor, logits: Tensor
    ) -> None:
        self._images = images
        self.labels, self.features, self.logits = labels, features, logits

    @cached_property
    def images(self) -> Tensor:
        """(N, C, H, W) float32 in [-1, 1]."""
        return self._images() if callable(self._images) else self._images


class Metric(ABC):
    """One score. It gets all real images batch by batch, then the generator, then all samples.

    The result must not depend on how the images are divided into batches. The same metric is also computed with real
    images instead of samples. Then there is no generator, and :meth:`update_generator` is not called.
    """

    def update_reference(self, batch: Evaluated) -> None:
        """Take a batch of real images, of the spec's ``reference`` split. Optional."""

    def update_generator(self, generator: Generator, z: Tensor, labels: Tensor) -> None:
        """Take the generator itself, in evaluation mode, with one batch of noise (N, L) and labels (N,). Optional.

        Called once, before the samples, with gradients enabled.
        """

    @abstractmethod
    def update(self, batch: Evaluated) -> None:
        """Take a batch of samples."""

    @abstractmethod
    def compute(self) -> Mapping[str, float | None]:
        """The spec's outputs by name; ``None`` for one that is not defined, such as a class score of an unconditional
        generator. Does not change the metric: a second call returns the same.

        Raises:
            CganzooError: the score cannot be computed, for example of too few samples; the message says what to change.
        """

    def per_class(self) -> Mapping[str, Sequence[float | None]]:
        """Outputs that have one number for each class: K numbers by name, in the order of the classes.

        Optional; called after :meth:`compute`. ``None`` for a class without a number.
        """
        return {}

    def merge(self, other: Self) -> None:
        """Add the images of ``other``, as if this metric had received them after its own. Optional.

        Several processes can then share an evaluation: each updates its own metric, and one merges them. The outputs
        must be those of a single metric that gets all reference images and then all samples: its own, then those of
        ``other``. They may differ by rounding, by random choices among the images, and by an output's
        ``order_tolerance``. ``other`` may have received no images, or only some kinds. The generator is given to any
        number of the parts, each time with other noise.

        Args:
            other: a metric with the same options and context, before :meth:`compute`. It is not used afterwards, so
                this metric may keep its tensors without a copy.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot be merged with another one")

    def pictures(self, recall: Recall) -> Mapping[str, Tensor]:
        """Pictures (C, H, W) in [-1, 1] by name, saved with the grids. Optional; called after :meth:`compute`."""
        return {}
