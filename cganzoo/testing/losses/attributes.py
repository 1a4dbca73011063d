"""What a module holds beside parameters, buffers and submodules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from torch import Tensor, nn

DEPTH = 5
"""How far a value is followed into what it holds."""

ELSEWHERE = {"_parameters", "_buffers", "_modules"}
"""Attributes of any module that other checks look at."""


@dataclass(frozen=True)
class Held:
    """An attribute's value at one moment.

    Attributes:
        told: it and what it holds, as plain values that can be compared; tensors without their numbers.
        graph: a tensor in it belongs to a graph that autograd keeps.
    """

    told: tuple[Any, ...]
    graph: bool


def attributes(module: nn.Module) -> dict[str, Held]:
    """Each attribute of a module and of its submodules, by its dotted name."""
    found = {}
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            if name not in ELSEWHERE:
                told = tuple(_told(value, DEPTH))
                found[f"self.{path}.{name}" if path else f"self.{name}"] = Held(told, GRAPH in told)
    return found


GRAPH = "a tensor of a graph"


def _told(value: Any, depth: int) -> Iterator[Any]:
    """A value and what it holds, in a row."""
    yield type(value).__name__
    if isinstance(value, Tensor):
        yield GRAPH if value.grad_fn is not None else "a tensor"
    elif value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        yield repr(value)  # so that not-a-number equals itself
    elif isinstance(value, (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)) or depth == 0:
        yield id(value)
    elif isinstance(value, Mapping):
        yield len(value)
        for key, entry in value.items():
            yield from _told(key, depth - 1)
            yield from _told(entry, depth - 1)
    elif isinstance(value, (set, frozenset)):
        yield sorted(map(repr, value))
    elif hasattr(value, "__len__") and hasattr(value, "__iter__"):
        yield len(value)
        for entry in value:
            yield from _told(entry, depth - 1)
    else:
        yield id(value)
        for entry in getattr(value, "__dict__", {}).items():
            yield from _told(entry, depth - 1)
