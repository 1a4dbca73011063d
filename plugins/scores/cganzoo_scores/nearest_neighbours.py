"""Samples beside the training images that are most like them: are they copies?"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric, Recall

from .checks import finite_features
from .config import NearestNeighboursConfig
from .neighbours import nearest

COMPARED = 1000
"""Training images whose own nearest neighbours say how far apart training images are."""

MIN_CELL = 48
"""Pixels; smaller images are enlarged by a whole factor, without smoothing."""

GAP = 3
"""How much wider the gap after the sample is than the others: so many gaps more."""


class NearestNeighbours(Metric):
    """A picture of samples beside their nearest training images in feature space, and how near these are.

    ``nearest_neighbour_ratio`` is the median distance of a sample to its nearest training image, over the median
    distance of a training image to its nearest other one (of 1,000 training images drawn with a fixed seed). Near 0 the
    samples are copies; real images that were not trained on have about 1. Neither direction is better. The first
    ``samples`` samples are looked at. In the picture, each row is a sample and, after a gap, its ``neighbours`` nearest
    training images, nearest first; one row for each of the first classes, or for the first samples where no class was
    asked for.

    Memory: the features of every training image, float32, as they come before the samples; and the first samples.

    Not shown: near is what the extractor finds near, so a copy that is mirrored or shifted counts as near too, and two
    images that a classifier hardly tells apart may look different. Some copies among many fresh samples leave a median
    as it is; look at the picture.
    """

    def __init__(self, config: NearestNeighboursConfig) -> None:
        self.samples, self.neighbours, self.rows = config.samples, config.neighbours, config.rows
        self._real: list[Tensor] = []
        self._features: list[Tensor] = []
        self._images: list[Tensor] = []
        self._labels: list[Tensor | None] = []
        self._found: Tensor | None = None  # (samples, neighbours): positions of training images

    def update_reference(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._real.append(finite_features(batch, "nearest_neighbours"))

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        if self._wanted() > 0:  # else the images need not be read
            self._keep(finite_features(batch, "nearest_neighbours"), batch.images, batch.labels)

    def merge(self, other: NearestNeighbours) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._real += other._real
        for features, images, labels in zip(other._features, other._images, other._labels, strict=True):
            self._keep(features, images, labels)

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        count = sum(map(len, self._real))
        if not self._features:
            raise CganzooError("nearest_neighbours: there are no samples to look at; raise evaluation.samples")
        if count <= self.neighbours:
            raise CganzooError(
                f"nearest_neighbours: neighbours = {self.neighbours} needs more than that many training images, "
                f"but there are {count}; lower neighbours"
            )
        real, samples = torch.cat(self._real), torch.cat(self._features)
        squared, self._found = nearest(samples, real, self.neighbours)
        chosen = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:COMPARED].to(real.device)
        among_real, _ = nearest(real[chosen], real, 1, itself=chosen)
        usual = float(among_real[:, 0].sqrt().median())
        # Undefined where most training images come twice.
        return {"nearest_neighbour_ratio": float(squared[:, 0].sqrt().median()) / usual if usual else None}

    def pictures(self, recall: Recall) -> Mapping[str, Tensor]:
        """See :class:`~cganzoo.metric.Metric`."""
        if self._found is None:
            return {}
        samples, shown = torch.cat(self._images), self._shown()
        found = self._found[shown].cpu()
        neighbours = torch.unflatten(recall(found.flatten()).to(samples), 0, found.shape)
        return {"nearest_neighbours": _sheet(samples[shown], neighbours)}

    def _wanted(self) -> int:
        return self.samples - sum(map(len, self._features))

    def _keep(self, features: Tensor, images: Tensor, labels: Tensor | None) -> None:
        wanted = self._wanted()
        if wanted > 0:
            self._features.append(features[:wanted].clone())
            self._images.append(images[:wanted].clone())
            self._labels.append(None if labels is None else labels[:wanted].clone())

    def _shown(self) -> list[int]:
        """Which samples get a row."""
        labels = [part for part in self._labels if part is not None]
        if len(labels) < len(self._labels):
            return list(range(min(self.rows, sum(map(len, self._images)))))
        first: dict[int, int] = {}
        for index, label in enumerate(torch.cat(labels).tolist()):
            first.setdefault(label, index)
        return [first[label] for label in sorted(first)[: self.rows]]


def _sheet(samples: Tensor, neighbours: Tensor) -> Tensor:
    """Samples (R, C, H, W), each with its neighbours (R, n, C, H, W) to the right, on white: (C, height, width)."""
    cells = torch.cat([samples[:, None], neighbours], 1)
    scale = max(1, -(-MIN_CELL // samples.shape[-1]))
    cells = cells.repeat_interleave(scale, -2).repeat_interleave(scale, -1)
    rows, columns, channels, height, width = cells.shape
    gap = max(1, width // 16)
    sheet = cells.new_ones(channels, rows * (height + gap) - gap, columns * (width + gap) + GAP * gap - gap)
    for row in range(rows):
        for column in range(columns):
            top, left = row * (height + gap), column * (width + gap) + (GAP * gap if column else 0)
            sheet[:, top : top + height, left : left + width] = cells[row, column]
    return sheet
