"""A loss beside its formula, written naively: same terms, same gradients, in float64."""

from __future__ import annotations

import torch

from cganzoo.objective import Batch, Objective, Terms

TOLERANCE = 1e-9
"""Relative and absolute; for float64."""

CASES = [(classes, size, seed) for classes in (1, 2, 7, 200) for size in (1, 6) for seed in (0, 1)]
"""(classes, batch size, seed) that a loss has to get right: one class, more classes than samples, a single sample."""


def random_batch(classes: int, size: int, seed: int, feature_dim: int = 5) -> Batch:
    """Random labels (size,) and float64 features (size, feature_dim) that take gradients; images are left empty."""
    random = torch.Generator().manual_seed(seed)
    features = 2 * torch.randn(size, feature_dim, generator=random, dtype=torch.float64)
    return Batch(torch.empty(size, 0), torch.randint(classes, (size,), generator=random), features.requires_grad_())


def assert_same(objective: Objective, ours: Terms, naive: Terms, *batches: Batch) -> None:
    """Two sets of terms are equal, name by name, and so are the gradients of their sums in features and heads.

    Raises:
        AssertionError: they differ by more than :data:`TOLERANCE`.
    """
    torch.testing.assert_close(dict(ours), dict(naive), rtol=TOLERANCE, atol=TOLERANCE)
    heads = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    leaves = [*(batch.features for batch in batches), *heads]
    mine, theirs = (
        torch.autograd.grad(torch.stack(list(terms.values())).sum(), leaves, allow_unused=True, materialize_grads=True)
        for terms in (ours, naive)
    )
    torch.testing.assert_close(mine, theirs, rtol=TOLERANCE, atol=TOLERANCE)
