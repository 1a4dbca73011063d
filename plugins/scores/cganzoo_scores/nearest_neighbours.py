"""Shows samples with their most similar training images, to find copies."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric, Recall

from .checks import finite_features
from .config import NearestNeighboursConfig
from .neighbours import nearest

COMPARED = 1000
"""Training images whose nearest neighbours give the usual distance of training images."""

MIN_CELL = 48
"""Pixels; smaller images are enlarged by a whole factor, without smoothing."""

GAP = 3
"""The gap after the sample is wider than the others by this number of gaps."""


class NearestNeighbours(Metric):
    """A picture of samples and their nearest training images in feature space, and the distance of these.

    ``nearest_neighbour_ratio`` is the median distance of a sample to its nearest training image, divided by the median
    distance of a training image to its nearest other training image (of 1,000 drawn with a fixed seed). It is near 0
    for copies and about 1 for real images that were not used in training. Neither direction is better. Only the first
    ``samples`` samples are used. In the picture, each row is a sample and, after a gap, its ``neighbours`` nearest
    training images, nearest first. There is a row for each of the first classes or, if no class was requested, for the
    first samples.

    Memory: the features of every training image, float32, and the first samples.

    Not shown: features decide what is near, so a mirrored or shifted copy is near, too, and two images that are near
    may look different. A few copies among many other samples do not change a median; look at the picture.
    """

    def __init__(self, config: NearestNeighboursConfig, context: BuildContext) -> None:
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
        if self._wanted() > 0:  # otherwise the images need not be read
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
            raise CganzooError("nearest_neighbours: there are no samples; raise evaluation.samples")
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
        # Undefined if most training images occur twice.
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
        """Indices of the samples in the picture."""
        labels = [part for part in self._labels if part is not None]
        if len(labels) < len(self._labels):
            return list(range(min(self.rows, sum(map(len, self._images)))))
        first: dict[int, int] = {}
        for index, label in enumerate(torch.cat(labels).tolist()):
            first.setdefault(label, index)
        return [first[label] for label in sorted(first)[: self.rows]]


def _sheet(samples: Tensor, neighbours: Tensor) -> Tensor:
    """A picture (C, height, width): in each row a sample of (R, C, H, W) and its neighbours of (R, n, C, H, W)."""
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
