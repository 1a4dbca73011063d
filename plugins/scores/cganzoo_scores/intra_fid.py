"""Fréchet distance within each class (arXiv:1802.05637)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from cganzoo import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric

from .checks import finite_features
from .config import IntraFIDConfig
from .frechet import Gaussian, frechet_distance
from .kept_images import LabelledTensors


class IntraFID(Metric):
    """FID between the real images and the samples of the same requested class; the mean and the maximum over classes.

    Miyato and Koyama, arXiv:1802.05637, "intra FID". 0 is best. Unlike FID, it detects samples of the wrong class and
    a collapse within a class. ``None`` for an unconditional generator. Computed in float64; exact even if a class has
    fewer images than features, which is usual.

    Memory: the features of every image, float32.

    Not shown: a class has few images, so the upward bias of FID is large, and values fall when ``evaluation.samples``
    grows. Compare with the scores of real images, and only at equal counts.
    """

    def __init__(self, config: IntraFIDConfig, context: BuildContext) -> None:
        self.class_names = context.class_names
        self._real, self._samples = LabelledTensors(), LabelledTensors()
        self._defined = True
        self._distances: dict[int, float] = {}

    def update_reference(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        assert batch.labels is not None  # real images have them
        self._real.add(finite_features(batch, "intra_fid"), batch.labels)

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        if batch.labels is None:
            self._defined = False
        else:
            self._samples.add(finite_features(batch, "intra_fid"), batch.labels)

    def merge(self, other: IntraFID) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._real.merge(other._real)
        self._samples.merge(other._samples)
        self._defined &= other._defined

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        if not self._defined:
            return {"intra_fid": None, "intra_fid_max": None}
        real, samples = self._real.by_class(), self._samples.by_class()
        classes = sorted(real.keys() | samples.keys())
        if not classes:
            raise CganzooError("intra_fid: there are no images to score; raise evaluation.samples")
        distances = {}
        for label in classes:
            counts = len(real.get(label, ())), len(samples.get(label, ()))
            if min(counts) < 2:
                raise CganzooError(
                    f"intra_fid needs two real images and two samples of each class, but of class {self._name(label)} "
                    f"there are {counts[0]} and {counts[1]}; raise evaluation.samples"
                )
            distances[label] = frechet_distance(Gaussian.of_images(real[label]), Gaussian.of_images(samples[label]))
        self._distances = distances
        return {"intra_fid": fmean(distances.values()), "intra_fid_max": max(distances.values())}

    def per_class(self) -> Mapping[str, Sequence[float | None]]:
        """See :class:`~cganzoo.metric.Metric`."""
        if not self._distances:
            return {}
        return {"intra_fid": [self._distances.get(label) for label in range(len(self.class_names))]}

    def _name(self, label: int) -> str:
        return f'"{self.class_names[label]}"' if label < len(self.class_names) else str(label)
