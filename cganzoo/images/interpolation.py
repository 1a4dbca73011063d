"""Between two images: noise on the arc from one to the other, and weights of the classes on the line."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def between_noises(first: Tensor, last: Tensor, steps: int) -> Tensor:
    """Noise (N, steps, L) from ``first`` (N, L) to ``last`` (N, L), in equal angles: spherical interpolation.

    Normal noise of many dimensions has nearly the same length everywhere, and so has the noise on the arc. On the line,
    it would be shorter than all that the generator was trained on (arXiv:1609.04468).
    """
    one, two = first.double()[:, None], last.double()[:, None]
    share = torch.linspace(0, 1, steps, dtype=torch.float64)[:, None]
    cosine = F.cosine_similarity(one, two, dim=-1).unsqueeze(-1).clamp(-1, 1)
    angle = cosine.arccos()
    arc = (((1 - share) * angle).sin() * one + (share * angle).sin() * two) / angle.sin()
    # Noise of one dimension, for example, has no angle.
    return torch.where(angle.sin() > 1e-6, arc, torch.lerp(one, two, share)).to(first.dtype)


def between_classes(first: int, last: int, num_classes: int, steps: int) -> Tensor:
    """Weights of the classes (steps, K), from one for class ``first`` to one for class ``last``."""
    ends = F.one_hot(torch.tensor([first, last]), num_classes).float()
    return torch.lerp(ends[0], ends[1], torch.linspace(0, 1, steps)[:, None])
