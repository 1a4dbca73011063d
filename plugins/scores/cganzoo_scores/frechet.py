"""The Fréchet distance of two Gaussians, also exact for fewer images than features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian distribution, given by its mean and a root of its covariance.

    Attributes:
        mean: (D,) float64.
        root: (R, D) float64; root^T root is the covariance.
    """

    mean: Tensor
    root: Tensor

    @staticmethod
    def of_images(features: Tensor) -> Gaussian:
        """The Gaussian with the mean and the unbiased covariance of features (N, D); N is at least 2."""
        features = features.double()
        mean = features.mean(0)
        root = (features - mean) / (len(features) - 1) ** 0.5
        if len(root) > root.shape[1]:  # any root is correct, so take a small one
            root = torch.linalg.qr(root, mode="r").R
        return Gaussian(mean, root)

    @staticmethod
    def of_covariance(mean: Tensor, covariance: Tensor) -> Gaussian:
        """The Gaussian of a mean (D,) and a covariance (D, D), in float64. Variances of rounding errors count as 0."""
        variances, axes = torch.linalg.eigh(covariance)
        kept = variances > variances[-1] * len(variances) * torch.finfo(variances.dtype).eps
        return Gaussian(mean, (axes[:, kept] * variances[kept].sqrt()).T)


def frechet_distance(p: Gaussian, q: Gaussian) -> float:
    """|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)), 0 or more (Dowson and Landau, 1982).

    With S = A^T A and S' = B^T B, the eigenvalues of S S' are the squared singular values of A B^T, and the trace of
    its root is their sum. A matrix root would lose half the digits of each eigenvalue that is 0.
    """
    shift = (p.mean - q.mean).square().sum()
    spread = p.root.square().sum() + q.root.square().sum()
    overlap = torch.linalg.svdvals(p.root @ q.root.T).sum()
    # Rounding can make a distance of 0 negative.
    return max(0.0, float(shift + spread - 2 * overlap))
