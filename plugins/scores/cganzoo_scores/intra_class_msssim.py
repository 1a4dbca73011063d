"""Similarity of images of the same class: a coarse detector of collapse within classes (arXiv:1610.09585)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric

from .checks import requested_or_predicted
from .config import IntraClassMSSSIMConfig
from .kept_images import FirstOfEach, to_pixels

BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the scales, finest first (Wang, Simoncelli and Bovik, 2003)."""

CHUNK = 500
"""Pairs that are compared at once."""


class IntraClassMSSSIM(Metric):
    """Mean MS-SSIM of random pairs within each class, then the mean and the maximum over the classes; 0 to 1.

    Odena et al., arXiv:1610.09585, section 4.2. High means similar: the class has collapsed. The maximum is the number
    of arXiv:1703.02000, table 3. If no class was requested, the class predicted by the extractor is used. Classes with
    fewer than two images are left out. Pairs are drawn with a fixed seed among the first ``images_per_class`` images of
    each class, kept as 8-bit pixels.

    MS-SSIM has five scales, each half the size of the one before, and a Gaussian window of 11 pixels. Smaller images
    get fewer scales, the coarsest of 8 to 15 pixels: 5 scales from 128 pixels, 4 from 64, 3 from 32, 2 from 16, 1
    (plain SSIM) from 8, with the first of the five weights scaled to sum to 1; and, below 176 pixels, a window of 7. So
    values are not comparable between image sizes, nor with the values of papers for small images.

    Memory: ``images_per_class`` images of each class, as uint8.

    Not shown: images that differ by a shift or a colour count as different, so it finds coarse collapse only. Blurred
    images are similar and noise is not, so a low value does not mean good images.
    """

    def __init__(self, config: IntraClassMSSSIMConfig, context: BuildContext) -> None:
        image_size = context.image_size
        if image_size < 8:
            raise CganzooError(
                f"intra_class_msssim needs images of at least 8 pixels, but data.image_size = {image_size}; "
                "leave this metric out"
            )
        self.pairs = config.pairs
        scales = min(len(BETAS), int(math.log2(image_size)) - 2)
        # The five sum to 1.0001; all implementations use them so.
        total = 1.0 if scales == len(BETAS) else sum(BETAS[:scales])
        self.betas = tuple(beta / total for beta in BETAS[:scales])
        self.window = 11 if image_size >= 176 else 7
        self._kept = FirstOfEach(config.images_per_class)
        self._num_classes = context.num_classes if context.own_classes else 0
        self._means: dict[int, float] = {}

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        classes = requested_or_predicted(batch, "intra_class_msssim")
        self._kept.add(classes, lambda index: to_pixels(batch.images[index]))

    def merge(self, other: IntraClassMSSSIM) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._kept.merge(other._kept)

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        means = {label: self._mean(images) for label, images in self._kept.by_class().items()}
        if not means:
            return {"intra_class_msssim": None, "intra_class_msssim_max": None}
        self._means = means
        return {"intra_class_msssim": fmean(means.values()), "intra_class_msssim_max": max(means.values())}

    def per_class(self) -> Mapping[str, Sequence[float | None]]:
        """See :class:`~cganzoo.metric.Metric`."""
        if not self._num_classes or not self._means:
            return {}
        return {"intra_class_msssim": [self._means.get(label) for label in range(self._num_classes)]}

    def _mean(self, images: Tensor) -> float:
        """Mean MS-SSIM of random distinct pairs of images (N, C, H, W), or of all pairs if there are only few."""
        pairs = torch.combinations(torch.arange(len(images)))
        chosen = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0))[: self.pairs]
        first, second = pairs[chosen].T.to(images.device)
        # It takes a second to import, and a run builds its metrics before its first step.
        from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

        total = 0.0
        for ours, theirs in zip(first.split(CHUNK), second.split(CHUNK), strict=True):
            similarity = multiscale_structural_similarity_index_measure(
                images[ours].float(),
                images[theirs].float(),
                kernel_size=self.window,
                sigma=1.5 * self.window / 11,
                betas=self.betas,
                data_range=255.0,
            )
            total += similarity.item() * len(ours)
        return total / len(first)
