"""The effective number of different images in a class (Vendi Score, arXiv:2210.02410)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric

from .checks import finite_features, requested_or_predicted
from .config import IntraClassVendiConfig
from .kept_images import FirstOfEach

WIDTH = 0.5
"""Width of the Gaussian kernel, relative to the usual distance between two real images of a class."""


class IntraClassVendi(Metric):
    """Vendi Score of the first ``images_per_class`` samples of each class; the mean and the least over the classes.

    Friedman and Dieng, arXiv:2210.02410, definition 3.1: exp(-sum w log w) over the eigenvalues w of K/n, with K the
    similarities of n images. It is an effective number of different images, from 1 (all equal) to n. A class with one
    sample is left out. If no class was requested, the class predicted by the extractor is used.

    The kernel is exp(-|x - y|^2 / (2 s^2)), where s is half the root mean squared distance between two real images of
    the same class. The paper's kernel for images is the cosine of their features (``kernel = "cosine"``). It
    distinguishes less here, because features of one class have similar directions: 40 real digits of a class scored
    1.83, and 20 of them twice 1.75, where the Gaussian gave 18.2 and 11.9.

    Memory: features of ``images_per_class`` samples and real images of each class, float32.

    Not shown: whether the images are of the class, or look like images at all: noise is diverse. It grows with the
    number of images up to ``images_per_class``, so compare equal counts.
    """

    def __init__(self, config: IntraClassVendiConfig, context: BuildContext) -> None:
        self.kernel = config.kernel
        self._real, self._samples = (FirstOfEach(config.images_per_class) for _ in range(2))

    def update_reference(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        assert batch.labels is not None  # real images have them
        features = finite_features(batch, "intra_class_vendi")
        self._real.add(batch.labels, lambda index: features[index])

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        classes = requested_or_predicted(batch, "intra_class_vendi")
        features = finite_features(batch, "intra_class_vendi")
        self._samples.add(classes, lambda index: features[index])

    def merge(self, other: IntraClassVendi) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._real.merge(other._real)
        self._samples.merge(other._samples)

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        classes = [features.double() for features in self._samples.by_class().values()]
        if not classes:
            return {"intra_class_vendi": None, "intra_class_vendi_min": None}
        if self.kernel == "cosine":
            scores = [vendi_score(cosine_kernel(features)) for features in classes]
        else:
            width = WIDTH * _usual_distance([features.double() for features in self._real.by_class().values()])
            scores = [vendi_score(gaussian_kernel(features, width)) for features in classes]
        return {"intra_class_vendi": fmean(scores), "intra_class_vendi_min": min(scores)}


def vendi_score(kernel: Tensor) -> float:
    """exp of the entropy of the eigenvalues of K/n, for similarities K (n, n) with ones on the diagonal."""
    weights = torch.linalg.eigvalsh(kernel / len(kernel)).clamp_min(0)
    return float(torch.special.entr(weights).sum().exp())


def cosine_kernel(features: Tensor) -> Tensor:
    """Cosines of the angles between features (n, D): (n, n). A zero feature is similar to zero features only."""
    lengths = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    directions = features / lengths.where(lengths > 0, 1.0)
    empty = (lengths == 0).to(features.dtype)
    return torch.addmm(empty @ empty.T, directions, directions.T)


def gaussian_kernel(features: Tensor, width: float) -> Tensor:
    """exp(-|x - y|^2 / (2 width^2)) of features (n, D): (n, n)."""
    squared = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist").square()
    return (-squared / max(2 * width**2, torch.finfo(squared.dtype).tiny)).exp()


def _usual_distance(classes: Sequence[Tensor]) -> float:
    """The root mean squared distance of two images of the same class, from images (n, D) of each class."""
    if not classes:
        raise CganzooError("intra_class_vendi needs two real images of a class, and no class has them")
    squares = sum(float((features - features.mean(0)).square().sum()) for features in classes)
    return math.sqrt(2 * squares / sum(len(features) - 1 for features in classes))
