"""Orthogonal regularization: the filters of a layer shall be orthogonal to each other."""

from __future__ import annotations

from torch import Tensor

from cganzoo import BuildContext
from cganzoo.objective import Batch, Networks, Terms
from cganzoo.regularizer import Regularizer

from .config import OrthogonalConfig


class Orthogonal(Regularizer):
    """The sum over layers of |W^T W * (1 - I)|^2 (arXiv:1809.11096, section 3.1, without the diagonal)."""

    def __init__(self, config: OrthogonalConfig, context: BuildContext) -> None:
        super().__init__()
        self.skip = config.skip
        self.of_discriminator = config.players in ("discriminator", "both")
        self.of_generator = config.players in ("generator", "both")

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`."""
        return self.penalty(networks) if self.of_discriminator else {}

    def generator_penalty(self, fake: Batch, networks: Networks, real: Batch | None = None) -> Terms:
        """See :class:`cganzoo.regularizer.Regularizer`."""
        return self.penalty(networks) if self.of_generator else {}

    def penalty(self, networks: Networks) -> Terms:
        """The term of the player that the step trains; none if it has no matrix."""
        squares = [squared_products(weight) for name, weight in networks.parameters() if self.covers(name, weight)]
        return {"orthogonal": sum(squares[1:], squares[0])} if squares else {}

    def covers(self, name: str, weight: Tensor) -> bool:
        """Whether a parameter is a matrix of filters to regularize. A column, as of weight normalisation, is none."""
        is_matrix = weight.ndim >= 2 and len(weight) > 1 and weight[0].numel() > 1
        return is_matrix and weight.requires_grad and not any(part in name for part in self.skip)


def squared_products(weight: Tensor) -> Tensor:
    """The sum of the squared inner products of each filter with each other one; the first axis counts the filters."""
    filters = weight.flatten(1)
    products = filters @ filters.T
    return (products - products.diagonal().diag()).square().sum()
