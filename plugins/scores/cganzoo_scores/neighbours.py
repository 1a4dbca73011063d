"""Distances between many features, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK = 2048
"""Rows and columns of distances held at a time (32 MiB in float64)."""

SAME = 1e-12
"""A squared distance below this part of the two features' squared lengths is rounding, and counts as 0."""


def blocks(count: int) -> Iterator[slice]:
    """``range(count)`` in pieces of up to :data:`BLOCK`."""
    for start in range(0, count, BLOCK):
        yield slice(start, min(start + BLOCK, count))


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances of (N, D) from (M, D): (N, M) float64, by the product x y^T."""
    x, y = x.double(), y.double()
    lengths = x.square().sum(1, keepdim=True) + y.square().sum(1)
    squared = torch.addmm(lengths, x, y.T, alpha=-2)
    return squared.masked_fill_(squared < SAME * lengths, 0.0)


def nearest(x: Tensor, y: Tensor, count: int, *, itself: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """For each of x (N, D) the nearest ``count`` of y (M, D): squared distances and positions, nearest first.

    Args:
        x: features to find neighbours of.
        y: features to find them among.
        count: neighbours for each, no more than M (M - 1 with ``itself``).
        itself: where in y each of x lies, (N,) int64; it is no neighbour of its own.

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
