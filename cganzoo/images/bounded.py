"""Building a network for weights from a file: a recipe with absurd sizes ends in an error before memory is used."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

ALLOWED = 4
"""New elements for each element in the file: initialisation makes copies."""

ALWAYS_ALLOWED = 1 << 24  # elements, for what a network computes without storing it

FACTORIES = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.normal})


class TooLargeError(Exception):
    """A network has far more weights than the file from which they are read."""


class _Bounded(TorchFunctionMode):
    """Counts the elements that the usual functions create, before they do; raises :class:`TooLargeError`."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._left = most

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in FACTORIES:
            shape = kwargs.get("size", args[0] if args and isinstance(args[0], (list, tuple)) else args)
            self._left -= math.prod(size for size in shape if isinstance(size, int))
            if self._left < 0:
                raise TooLargeError("it has far more weights than the file")
        return func(*args, **kwargs)


@contextmanager
def bounded_by(weights: Mapping[str, Any]) -> Iterator[None]:
    """Build a network inside the block; one that is far larger than these weights raises :class:`TooLargeError`."""
    elements = sum(tensor.numel() for tensor in weights.values() if isinstance(tensor, Tensor))
    with _Bounded(ALWAYS_ALLOWED + ALLOWED * elements):
        yield


def difference(module: torch.nn.Module, weights: Mapping[str, Any]) -> str:
    """The first tensor of ``weights`` that does not fit the module; empty if all fit."""
    own = module.state_dict()
    for name in [*own, *(name for name in weights if name not in own)]:
        if name not in weights:
            return f"{name} is missing"
        if name not in own:
            return f"{name} is not a part of it"
        mine, theirs = own[name], weights[name]
        if isinstance(mine, Tensor) and isinstance(theirs, Tensor):
            if mine.shape != theirs.shape:
                return f"{name} has the shape {tuple(theirs.shape)}, not {tuple(mine.shape)}"
            if mine.dtype != theirs.dtype:
                return f"{name} is {theirs.dtype}, not {mine.dtype}"
    return ""
