"""How images are drawn from a trained generator: the statistics of its batch normalisation, and truncation."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal

import torch
from torch import Tensor

from cganzoo.networks import Generator

from .sampling import BATCH_STATISTICS, batch_norms, noise

BatchStatistics = Literal["standing", "batch"]


class Drawn(Generator):
    """A generator whose images are truncated, or made with the statistics of their batch.

    Args:
        generator: comes from :func:`~cganzoo.images.sampling.ready_to_sample`. It is used, not copied.
        batch_statistics: ``"standing"``: the statistics that the generator has; ``"batch"``: those of each batch.
        truncation: see :meth:`cganzoo.networks.Generator.truncated`; ``None``: no truncation.
    """

    def __init__(self, generator: Generator, batch_statistics: BatchStatistics, truncation: float | None) -> None:
        super().__init__()
        self.generator = generator
        self.batch_statistics, self.truncation = batch_statistics, truncation
        self.latent_dim, self.conditional = generator.latent_dim, generator.conditional
        self.training = False  # eval() would change the modes of the generator, too

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """See :class:`cganzoo.networks.Generator`."""
        with of_the_batch(self.generator) if self.batch_statistics == "batch" else nullcontext():
            if self.truncation is None:
                images: Tensor = self.generator(z, labels)
                return images
            return self.generator.truncated(z, labels, self.truncation)

    def sample_latent(self, count: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        """See :class:`cganzoo.networks.Generator`."""
        return self.generator.sample_latent(count, device, generator)


def drawn(generator: Generator, batch_statistics: BatchStatistics, truncation: float | None) -> Generator:
    """See :class:`Drawn`; the generator itself if it already is what the options say."""
    if batch_statistics == "standing" and truncation is None:
        return generator
    return Drawn(generator, batch_statistics, truncation)


@contextmanager
def of_the_batch(generator: Generator) -> Iterator[None]:
    """In the block, batch normalisation uses the statistics of each batch; the standing ones stay as they are."""
    norms = batch_norms(generator)
    before = [norm.training for norm in norms]
    for norm in norms:
        norm.training, norm.track_running_stats = True, False
    try:
        yield
    finally:
        for norm, training in zip(norms, before, strict=True):
            norm.training, norm.track_running_stats = training, True


def check_truncation(generator: Generator, truncation: float, num_classes: int) -> None:
    """Raise :class:`CganzooError` if images of this generator cannot be truncated. Two images are made."""
    z, labels = next(noise(generator, 2, 2, num_classes, seed=0))
    with torch.no_grad():
        copy.deepcopy(generator).eval().truncated(z, labels, truncation)


def in_equal_parts(count: int, batch_size: int) -> int:
    """The size of batches of nearly equal sizes up to ``batch_size``: a small last one has poor statistics.

    It is larger if the last batch would be half full or less, and not 1: one image has no statistics.
    """
    smallest = -(-count // -(-count // batch_size))
    return next((size for size in range(max(2, smallest), count) if not 0 < 2 * (count % size) <= size), count)


def protocol(batch_statistics: BatchStatistics, truncation: float | None, batch_size: int) -> dict[str, str | float]:
    """What the fingerprint of a score has of these options."""
    statistics = BATCH_STATISTICS if batch_statistics == "standing" else f"batch ({batch_size})"
    return {"batch_statistics": statistics, **({} if truncation is None else {"truncation": truncation})}
