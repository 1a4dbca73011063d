"""Penalties on the gradient of the score with respect to the images."""

from __future__ import annotations

import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.objective import Batch, Networks, Terms
from cganzoo.regularizer import Regularizer

from .config import DRAGANConfig, GradientPenaltyConfig, NoOptions


def gradient_of(score: Tensor, images: Tensor) -> Tensor:
    """The gradient of each image's score (N,) with respect to that image (N, C, H, W); (N, C H W)."""
    (gradient,) = torch.autograd.grad(score.sum(), images, create_graph=True)
    return gradient.flatten(1)


class R1(Regularizer):
    """Half the squared slope of the score at real images (arXiv:1801.04406, eq. 9)."""

    uses_image_gradients = True
    uses_score = True

    def __init__(self, config: NoOptions, context: BuildContext) -> None:
        super().__init__()

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`."""
        return {"r1": self.half_squared_slope(real, networks)}

    def half_squared_slope(self, batch: Batch, networks: Networks) -> Tensor:
        """E |grad D(x)|^2 / 2, a scalar."""
        return gradient_of(networks.score_of(batch), batch.images).square().sum(1).mean() / 2


class R2(R1):
    """Half the squared slope of the score at fakes (arXiv:1801.04406, eq. 10)."""

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`."""
        return {"r2": self.half_squared_slope(fake, networks)}


class GradientPenalty(Regularizer):
    """The slope of the score shall be 1 between real and fake images (arXiv:1704.00028, eq. 3)."""

    uses_image_gradients = True  # of images of its own; this makes the host refuse a compiled step
    uses_score = True
    stochastic = True

    slope: float | Tensor

    def __init__(self, config: GradientPenaltyConfig, context: BuildContext) -> None:
        super().__init__()
        self.hold(slope=config.slope)

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`. Both batches have the same number of images."""
        points = mixed(real.images, fake.images)
        return {"gradient_penalty": self.distance_from_slope(points, real.labels, networks)}

    def distance_from_slope(self, points: Tensor, labels: Tensor, networks: Networks) -> Tensor:
        """E (|grad D(x)| - slope)^2 over points x (N, C, H, W) of classes (N,); a scalar."""
        points = points.detach().requires_grad_()
        slopes: Tensor = torch.linalg.vector_norm(gradient_of(networks.score(points, labels), points), dim=1)
        return (slopes - self.slope).square().mean()


def mixed(one: Tensor, other: Tensor) -> Tensor:
    """Points of the straight lines from images (N, C, H, W) to other images, one of each line: the same shape."""
    share = torch.rand(len(one), 1, 1, 1, device=one.device, dtype=one.dtype)
    return share * one + (1 - share) * other


class DRAGAN(GradientPenalty):
    """The slope of the score shall be 1 near real images (arXiv:1705.07215, with the noise of its authors' code)."""

    relational = True  # the standard deviation is that of the batch

    noise: float | Tensor

    def __init__(self, config: DRAGANConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.hold(noise=config.noise)

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`."""
        images = real.images.detach()
        noisy = images + self.noise * images.std() * torch.rand_like(images)
        return {"dragan": self.distance_from_slope(mixed(noisy, images), real.labels, networks)}
