"""What the checks of losses, regularizers and augmentations compare: results, gradients, and the state of modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from .conformance import check_equal
from .randomness import seeded

DEPTH = 5
"""How many levels of nested values are compared."""
CHECKED_ELSEWHERE = {"_parameters", "_buffers", "_modules"}
GRAPH = "tensor with a graph"


def check_all_close(
    one: Mapping[str, Tensor], two: Mapping[str, Tensor], problem: str, tolerance: float = 1e-9, prefix: str = ""
) -> None:
    """Check that all results are equal by name, up to a relative and an absolute tolerance.

    A message is ``prefix``, the name of the result, and ``problem``.
    """
    assert one.keys() == two.keys(), f"{prefix}{', '.join(one.keys() ^ two.keys())} {problem}"
    for name, value in one.items():
        if not torch.allclose(value, two[name], rtol=tolerance, atol=tolerance, equal_nan=True):
            off = (value - two[name]).abs().max().item()
            raise AssertionError(f"{prefix}{name} {problem} (off by {off:.3g})")


def gradients(value: Tensor, leaves: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Gradients in ``leaves``, with the graph kept; zeros where the value does not depend on them."""
    if not value.requires_grad:
        return tuple(torch.zeros_like(leaf) for leaf in leaves)
    return torch.autograd.grad(value, leaves, retain_graph=True, allow_unused=True, materialize_grads=True)


def state(module: nn.Module) -> dict[str, Tensor]:
    """Copies of the tensors that a checkpoint saves."""
    return {name: value.clone() for name, value in module.state_dict().items() if isinstance(value, Tensor)}


@contextmanager
def buffers_restored(module: nn.Module) -> Iterator[None]:
    """Restore the buffers that a checkpoint saves. A component may change these buffers, but no other state."""
    saved = [
        (part, name, buffer, buffer.clone())
        for part in module.modules()
        for name, buffer in part._buffers.items()
        if buffer is not None and name not in part._non_persistent_buffers_set
    ]
    try:
        yield
    finally:
        for part, name, buffer, value in saved:
            part._buffers[name] = buffer  # another tensor may have been assigned
            if buffer.requires_grad or not torch.equal(buffer, value):
                buffer.detach_().copy_(value)


@contextmanager
def unchanged(method: str, modules: Mapping[str, nn.Module]) -> Iterator[None]:
    """Check that parameters get no gradient and no new value, and that ``requires_grad`` does not change.

    ``modules`` are by the words for their owner: ``"the trunk's"``.
    """
    before = [
        (f"{owner} {name}", parameter, parameter.detach().clone(), parameter._version, parameter.requires_grad)
        for owner, module in modules.items()
        for name, parameter in module.named_parameters()
    ]
    yield
    for name, parameter, value, version, requires_grad in before:
        assert parameter.grad is None, f"{method} leaves a gradient in {name}; do not call backward()"
        # A clamp, for example, changes no small weights, but only in a test are all weights small.
        same = torch.equal(parameter, value) and parameter._version == version
        assert same, f"{method} writes to {name} in place; only the optimizer may change it"
        same = parameter.requires_grad == requires_grad
        assert same, f"{method} changes requires_grad of {name}; do not set it, the engine freezes and unfreezes"


def check_no_graph(module: nn.Module, what: str) -> None:
    """Check that no buffer holds the graph of a step, which would grow with each step."""
    for name, buffer in module.named_buffers():
        advice = "detach what is stored, or compute it under torch.no_grad()"
        assert not buffer.requires_grad, f"{what} leaves a graph in the buffer {name}; {advice}"


def check_seeded(build: Callable[[], nn.Module]) -> None:
    """Check that the same torch seed builds the same state, for any state of the other random number generators."""
    states = []
    for seed in (1, 2):
        with seeded(seed):
            torch.manual_seed(0)
            states.append(state(build()))
    one, two = states
    assert one.keys() == two.keys(), "the same torch seed builds other buffers the second time"
    check_equal(two, one, "differs between two builds of one torch seed; initialise it with torch's functions only")


def attributes(module: nn.Module) -> dict[str, list[Any]]:
    """Each attribute of a module and its submodules by its dotted name, as plain values that can be compared."""
    return {
        f"self.{path}.{name}" if path else f"self.{name}": list(_plain(value, DEPTH))
        for path, part in module.named_modules()
        for name, value in vars(part).items()
        if name not in CHECKED_ELSEWHERE
    }


def check_attributes(module: nn.Module, before: Mapping[str, list[Any]], what: str, advice: str) -> None:
    """Check that the attributes of a module are those of ``before``, from :func:`attributes`."""
    for name, value in attributes(module).items():
        assert GRAPH not in value, f"{name} holds a tensor with its graph: store a detached one in a buffer"
        assert value == before.get(name), f"{what} changes {name}: {advice}"


def _plain(value: Any, depth: int) -> Iterator[Any]:
    """A value and what it contains, flattened; tensors without their numbers."""
    yield type(value).__name__
    if isinstance(value, Tensor):
        yield GRAPH if value.grad_fn is not None else "tensor"
    elif value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        yield repr(value)  # so that nan equals itself
    elif isinstance(value, (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)) or depth == 0:
        yield id(value)
    elif isinstance(value, (set, frozenset)):
        yield sorted(map(repr, value))
    elif hasattr(value, "__len__") and hasattr(value, "__iter__"):
        yield len(value)
        for entry in (*value.keys(), *value.values()) if isinstance(value, Mapping) else value:
            yield from _plain(entry, depth - 1)
    else:
        yield id(value)
        for entry in getattr(value, "__dict__", {}).items():
            yield from _plain(entry, depth - 1)
