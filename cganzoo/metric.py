"""What a metric plugin subclasses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from torch import Tensor
from typing_extensions import Self

from .networks import Generator

Recall = Callable[[Tensor], Tensor]
"""Positions (N,) int64 in the order that ``update_reference`` was fed to those images (N, C, H, W) in [-1, 1]."""


class Evaluated:
    """A batch of images with what the feature extractor saw in them. Every metric of a pass gets the same one.

    Args:
        images: the images, or a function that reads them: most metrics never look at those of a large set.
        labels: (N,) int64: the class of a real image, the class that a sample was asked for; ``None`` for samples of
            an unconditional generator.
        features: (N, D) float32.
        logits: (N, K) float32, class logits of the extractor before the softmax; K is 0 for one that has none.
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
    """One score. Fed batch by batch: first all real images, then the generator, then all samples, each once.

    The result must not depend on how the images are cut into batches. Where the reference rows are made (real images
    in the place of samples) there is no generator, so :meth:`update_generator` is not called.
    """

    def update_reference(self, batch: Evaluated) -> None:
        """Take a batch of real images, of the spec's ``reference`` split. Metrics without one leave this as it is."""

    def update_generator(self, generator: Generator, z: Tensor, labels: Tensor) -> None:
        """Take the generator itself, in evaluation mode, with noise (N, L) and labels (N,) it is asked for.

        Called once, before the samples, with one batch of noise. Gradients are recorded here.
        """

    @abstractmethod
    def update(self, batch: Evaluated) -> None:
        """Take a batch of samples."""

    @abstractmethod
    def compute(self) -> Mapping[str, float | None]:
        """The spec's outputs by name; ``None`` for one that is not defined here (say, a class score of a generator
        that takes no class). What it was fed stays as it is: asked again, it answers the same.

        Raises:
            CganzooError: the samples do not allow the score (too few, say); the sentence says what to change.
        """

    def per_class(self) -> Mapping[str, Sequence[float | None]]:
        """Outputs that are made of one number for each class: their name, and K numbers in the order of the classes.

        Optional; asked for after :meth:`compute`. ``None`` for a class without a number.
        """
        return {}

    def merge(self, other: Self) -> None:
        """Take over what ``other`` was fed, as if this one had been fed it after its own. Optional.

        So the images of an evaluation can be shared among processes: each feeds a metric of its own, and one merges
        them. The outputs are then those of a single metric that was fed all reference images and then all samples:
        this one's, then those of ``other``. They are equal but for rounding, except where options make the metric draw
        at random among the images, or an output's ``order_tolerance`` says more. Any part may be missing: a metric that
        was fed nothing changes nothing. The generator is shown to any number of the parts, each time with other noise.

        Args:
            other: a metric of the same options and context, before :meth:`compute`. It is not used afterwards, so what
                it holds may be taken over as it is.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot take over what another one was fed")

    def pictures(self, recall: Recall) -> Mapping[str, Tensor]:
        """Pictures (C, H, W) in [-1, 1] by name, written beside the sample grids; asked for after :meth:`compute`."""
        return {}
