"""How much the image depends on the noise: near 0, the generator ignores the noise (arXiv:1703.02000)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.metric import Evaluated, Metric
from cganzoo.networks import Generator

from .config import NoiseSensitivityConfig

CHUNK = 64  # images in a batch with gradients


class NoiseSensitivity(Metric):
    """Mean over samples and noise dimensions of |d(sum of all pixels of G(z, y)) / dz|; 0 or more.

    Zhou et al., arXiv:1703.02000, section 7, as in the authors' code: pixels are in [-1, 1], summed over positions and
    channels, and class inputs do not count as noise. A conditional generator that ignores its noise makes one image of
    each class, and its score is 0. On CIFAR-10 (32 x 32 x 3) the paper reports about 45.0 with dynamic labeling and
    25.0 with predefined labels. Reported with its standard error over the samples. ``None`` for real images.

    Memory: the graph of 64 images.

    Not shown: whether the change is good, so neither direction is better. Opposite changes of pixels cancel in their
    sum. The value grows with the image size and depends on the scale of the noise.
    """

    def __init__(self, config: NoiseSensitivityConfig, context: BuildContext) -> None:
        self.samples = config.samples
        self._slopes: Tensor | None = None

    def update_generator(self, generator: Generator, z: Tensor, labels: Tensor) -> None:
        """See :class:`~cganzoo.metric.Metric`. Uses the first ``samples`` noise vectors of the batch."""
        with torch.inference_mode(False), torch.enable_grad():
            chunks = (torch.split(part[: self.samples], CHUNK) for part in (z, labels))
            slopes = [_slopes(generator, part.clone(), classes.clone()) for part, classes in zip(*chunks, strict=True)]
        self._slopes = torch.cat(slopes)

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`. Does not use samples."""

    def merge(self, other: NoiseSensitivity) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        slopes = [part for part in (self._slopes, other._slopes) if part is not None]
        self._slopes = torch.cat(slopes)[: self.samples] if slopes else None

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        if self._slopes is None:
            return {"noise_sensitivity": None, "noise_sensitivity_se": None}
        count = len(self._slopes)
        return {
            "noise_sensitivity": float(self._slopes.mean()),
            "noise_sensitivity_se": float(self._slopes.std()) / count**0.5 if count > 1 else None,
        }


def _slopes(generator: Generator, z: Tensor, labels: Tensor) -> Tensor:
    """The mean of |d(sum of pixels)/dz| over the dimensions of each z (N, L): (N,) float64."""
    z = z.detach().requires_grad_()
    # In evaluation mode images are independent, so one gradient of their sum is enough.
    (gradient,) = torch.autograd.grad(generator(z, labels).float().sum(), z)
    return gradient.abs().mean(1).cpu().double()  # Apple's GPUs have no float64
