"""Computes distances between many features, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK = 2048
"""Rows and columns of a block of distances (32 MiB in float64)."""

SAME = 1e-12
"""A squared distance below this share of the sum of the squared lengths is a rounding error, and counts as 0."""


def blocks(count: int) -> Iterator[slice]:
    """``range(count)`` as slices of up to :data:`BLOCK`."""
    for start in range(0, count, BLOCK):
        yield slice(start, min(start + BLOCK, count))


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances of (N, D) from (M, D): (N, M) float64, by the product x y^T."""
    x, y = x.double(), y.double()
    lengths = x.square().sum(1, keepdim=True) + y.square().sum(1)
    squared = torch.addmm(lengths, x, y.T, alpha=-2)
    return squared.masked_fill_(squared < SAME * lengths, 0.0)


def nearest(x: Tensor, y: Tensor, count: int, *, itself: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The ``count`` nearest of y (M, D) for each of x (N, D): squared distances and positions, nearest first.

    Args:
        x: features whose neighbours are wanted.
        y: features that can be neighbours.
        count: number of neighbours, at most M (M - 1 with ``itself``).
        itself: position in y of each of x, (N,) int64, which is not its own neighbour.

    Returns:
        (N, count) float64 and (N, count) int64.
    """
    found = []
    for rows in blocks(len(x)):
        candidates = []
        for columns in blocks(len(y)):
            squared = squared_distances(x[rows], y[columns])
            if itself is not None:
                own = itself[rows, None] == torch.arange(columns.start, columns.stop, device=y.device)
                squared.masked_fill_(own, torch.inf)
            distances, positions = squared.topk(min(count, squared.shape[1]), largest=False)
            candidates.append((distances, positions + columns.start))
        distances, positions = (torch.cat(parts, 1) for parts in zip(*candidates, strict=True))
        distances, order = distances.topk(count, largest=False)
        found.append((distances, positions.gather(1, order)))
    distances, positions = (torch.cat(parts) for parts in zip(*found, strict=True))
    return distances, positions
