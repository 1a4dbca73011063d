"""Likeness of images of the same class: a coarse detector of collapse within classes (arXiv:1610.09585)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

import torch
from torch import Tensor

from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric

from .checks import asked_or_predicted
from .config import IntraClassMSSSIMConfig
from .first_of_each import FirstOfEach
from .pixels import to_pixels

BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the scales, finest first (Wang, Simoncelli and Bovik, 2003)."""


class IntraClassMSSSIM(Metric):
    """Mean MS-SSIM of random pairs within each class, then the mean and the maximum over the classes; 0 to 1.

    Odena et al., arXiv:1610.09585, section 4.2. High means alike: the class has collapsed. The maximum is the number of
    arXiv:1703.02000, table 3. The class is the one asked for, or the extractor's where none was. Classes of fewer than
    two images are left out. Pairs are drawn with a fixed seed among the first ``images_per_class`` of each class, kept
    as 8-bit pixels; samples are independent draws, so the first are as random as any.

    MS-SSIM has five scales, each half the size of the one before, and a Gaussian window of 11 pixels. An image too
    small for that gets fewer scales, the coarsest of 8 to 15 pixels: 5 scales from 128 pixels, 4 from 64, 3 from 32,
    2 from 16, 1 (plain SSIM) from 8, with the first weights of the five scaled to sum to 1; and, below 176 pixels, a
    window of 7. Values at different image sizes are therefore not comparable, nor are they with five-scale values of
    small images, as papers print them.

    Memory: ``images_per_class`` images of each class, as uint8.

    Not shown: images that differ by a shift or a colour count as unlike, so it finds coarse collapse only; and blurred
    images are alike, while noise is not, so a low value does not mean good images.

    Args:
        config: options.
        image_size: in pixels.
        num_classes: of the set, where the classes are its own; 0: the classes are not told apart in the result.
    """

    def __init__(self, config: IntraClassMSSSIMConfig, image_size: int, num_classes: int = 0) -> None:
        if image_size < 8:
            raise CganzooError(
                f"intra_class_msssim needs images of at least 8 pixels, but data.image_size = {image_size}; "
                "leave this metric out"
            )
        self.pairs = config.pairs
        scales = min(len(BETAS), int(math.log2(image_size)) - 2)
        # The five sum to 1.0001, and are left as everybody has them.
        total = 1.0 if scales == len(BETAS) else sum(BETAS[:scales])
        self.betas = tuple(beta / total for beta in BETAS[:scales])
        self.window = 11 if image_size >= 176 else 7
        self._kept = FirstOfEach(config.images_per_class)
        self._num_classes = num_classes
        self._means: dict[int, float] = {}

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        classes = asked_or_predicted(batch, "intra_class_msssim")
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
        """Mean MS-SSIM over random distinct pairs of ``images`` (N, C, H, W), or over all where there are few."""
        pairs = torch.combinations(torch.arange(len(images)))
        chosen = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0))[: self.pairs]
        first, second = pairs[chosen].T.to(images.device)
        # Here, because it takes a second to import, and a run builds its metrics before its first step.
        from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

        similarity = multiscale_structural_similarity_index_measure(
            images[first].float(),
            images[second].float(),
            kernel_size=self.window,
            sigma=1.5 * self.window / 11,
            betas=self.betas,
            data_range=255.0,
        )
        return similarity.item()
