"""Penalties on the gradient of the score with respect to the images."""

from __future__ import annotations

import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.objective import Batch, Networks, Terms
from cganzoo.regularizer import Regularizer

from .config import NoOptions


def squared_slopes(score: Tensor, images: Tensor) -> Tensor:
    """The squared norm of the gradient of each image's score (N,) with respect to that image (N, C, H, W); (N,)."""
    (gradient,) = torch.autograd.grad(score.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3))


class R1(Regularizer):
    """Half the squared slope of the score at real images (arXiv:1801.04406, eq. 9)."""

    uses_image_gradients = True
    uses_score = True

    def __init__(self, config: NoOptions, context: BuildContext) -> None:
        super().__init__()

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`."""
        return {"r1": squared_slopes(networks.score_of(real), real.images).mean() / 2}


class R2(R1):
    """Half the squared slope of the score at fakes (arXiv:1801.04406, eq. 10)."""

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`."""
        return {"r2": squared_slopes(networks.score_of(fake), fake.images).mean() / 2}
