"""Path length regularization: the length of the Jacobian of images with respect to codes is the same everywhere."""

from __future__ import annotations

import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.objective import Batch, Networks, Terms
from cganzoo.regularizer import Regularizer

from .config import PathLengthConfig


class PathLength(Regularizer):
    """E (|J^T y| - a)^2, with normal noise y of the shape of an image (arXiv:1912.04958, eq. 4).

    J is the Jacobian of an image with respect to its code, and a the moving average of the lengths |J^T y|.
    """

    relational = True  # an update of the average needs the lengths of the whole batch
    stochastic = True
    uses_image_gradients = True  # with respect to codes; this makes the host refuse a compiled step

    average: Tensor

    def __init__(self, config: PathLengthConfig, context: BuildContext) -> None:
        super().__init__()
        self.decay = config.decay
        self.register_buffer("average", torch.zeros(()))

    def generator_penalty(self, fake: Batch, networks: Networks, real: Batch | None = None) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`."""
        assert fake.latents is not None
        codes = networks.mapped(fake.latents, fake.labels)
        if not codes.requires_grad:  # they are the latents, or those that a frozen network makes
            codes = codes.detach().requires_grad_()
        lengths = self.lengths(networks.synthesized(codes, fake.labels), codes)
        self.average.lerp_(lengths.detach().mean(), 1 - self.decay)
        return {"path_length": (lengths - self.average.clone()).square().mean()}

    def lengths(self, images: Tensor, codes: Tensor) -> Tensor:
        """|J^T y| of each image (N, C, H, W), (N,); the square is averaged over the codes (N, ..., D) of an image.

        The noise y has the variance 1/(H W), so that the lengths do not depend on the resolution.
        """
        height, width = images.shape[2:]
        noise = torch.randn_like(images) / (height * width) ** 0.5
        (gradient,) = torch.autograd.grad((images * noise).sum(), codes, create_graph=True)
        codes_of_an_image = gradient[0].numel() / gradient.shape[-1]
        lengths: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1) / codes_of_an_image**0.5
        return lengths
