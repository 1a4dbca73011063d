"""Small synthetic batches for the checks of a metric, which need no data set, generator or extractor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cganzoo.data.batches import to_pixels, to_unit
from cganzoo.metric import Evaluated


@dataclass(frozen=True)
class World:
    """A distribution of images in a few classes, with the outputs of an extractor.

    Each class has a pattern, which its images show with noise; a centre in feature space, around which their features
    are; and logits that nearly always predict it. An extractor without classes has ``num_logits=0``.
    """

    num_classes: int
    image_size: int
    channels: int
    feature_dim: int
    num_logits: int

    def draw(self, count: int, seed: int) -> Evaluated:
        """``count`` images of the distribution; the classes alternate."""
        random = torch.Generator().manual_seed(1 + seed)
        fixed = torch.Generator().manual_seed(0)
        labels = torch.arange(count) % self.num_classes
        coarse = 2 * torch.rand(self.num_classes, self.channels, 4, 4, generator=fixed) - 1
        patterns = F.interpolate(coarse, size=(self.image_size, self.image_size), mode="nearest")
        noise = torch.randn(count, self.channels, self.image_size, self.image_size, generator=random)
        centres = 3 * torch.randn(self.num_classes, self.feature_dim, generator=fixed)
        logits = torch.randn(count, self.num_logits, generator=random)
        if self.num_logits:
            logits += 5 * F.one_hot(labels % self.num_logits, self.num_logits)
        features = centres[labels] + torch.randn(count, self.feature_dim, generator=random)
        return Evaluated(_of_8_bits(0.7 * patterns[labels] + 0.2 * noise), labels, features, logits)

    def collapse(self, count: int, seed: int) -> Evaluated:
        """Samples of a collapsed generator: one image for all classes, with features far from the real ones."""
        random = torch.Generator().manual_seed(1 + seed)
        image = _of_8_bits(2 * torch.rand(1, self.channels, self.image_size, self.image_size, generator=random) - 1)
        features = 20 + 1e-3 * torch.randn(count, self.feature_dim, generator=random)
        logits = 0.1 * torch.randn(count, self.num_logits, generator=random)
        logits[:, :1] += 2
        return Evaluated(image.repeat(count, 1, 1, 1), torch.arange(count) % self.num_classes, features, logits)


def _of_8_bits(images: Tensor) -> Tensor:
    """Rounded to 8 bits, like real images and the samples in an evaluation."""
    return to_unit(to_pixels(images))


def evaluated_batch(*, images: Any = None, labels: Any = None, features: Any = None, logits: Any = None) -> Evaluated:
    """A batch from tensors or nested lists. Parts that are not given are zeros, or ``None`` for labels.

    Args:
        images: (N, C, H, W) in [-1, 1].
        labels: (N,).
        features: (N, D).
        logits: (N, K).

    Raises:
        ValueError: nothing is given, or parts have different lengths.
    """
    given = [part for part in (images, labels, features, logits) if part is not None]
    if len({len(part) for part in given}) != 1:
        raise ValueError("give images, labels, features or logits, as many of each")

    def floats(part: Any, *shape: int) -> Tensor:
        return torch.zeros(len(given[0]), *shape) if part is None else torch.as_tensor(part, dtype=torch.float32)

    integers = None if labels is None else torch.as_tensor(labels, dtype=torch.int64)
    return Evaluated(floats(images, 3, 16, 16), integers, floats(features, 1), floats(logits, 0))


@dataclass(frozen=True, kw_only=True)
class KnownScores:
    """A case with known scores: computed by hand, or printed in a paper.

    Attributes:
        samples: what ``update`` gets; :func:`evaluated_batch` makes one from lists.
        scores: the expected outputs by name; outputs that are not listed are not compared.
        reference: what ``update_reference`` gets, if anything.
        options: of the metric, as a recipe's table.
        tolerance: relative and absolute.
    """

    samples: Evaluated
    scores: Mapping[str, float | None]
    reference: Evaluated | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-6


def taken(batch: Evaluated, indices: Tensor) -> Evaluated:
    """Copies of some of a batch's images."""
    labels = None if batch.labels is None else batch.labels[indices]
    return Evaluated(batch.images[indices], labels, batch.features[indices], batch.logits[indices])


def cut(batch: Evaluated, sizes: Sequence[int]) -> list[Evaluated]:
    """A batch in parts of these sizes, and the rest as a last part."""
    sizes = [*sizes, len(batch.features) - sum(sizes)]
    parts = torch.split(torch.arange(len(batch.features)), sizes)
    return [taken(batch, part) for part in parts if len(part)]


def tensors(batch: Evaluated) -> dict[str, Tensor]:
    """A batch's tensors by name."""
    parts = {name: getattr(batch, name) for name in ("images", "labels", "features", "logits")}
    return {name: part for name, part in parts.items() if part is not None}
