"""A loss depends on its inputs, weights and buffers only: it has no other state, and uses no global state."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import backward

from cganzoo.testing.randomness import seeded, untouched

from .base import (
    CLASSES,
    METHODS,
    SEEDS,
    LossChecks,
    Variant,
    buffers_restored,
    context,
    each_repeatable_variant,
    each_variant,
    losses,
    total,
    totals,
    values,
)

DEPTH = 5
"""How many levels of nested values are compared."""

CHECKED_ELSEWHERE = {"_parameters", "_buffers", "_modules"}
GRAPH = "tensor with a graph"


class LossState(LossChecks):
    """No global or hidden state."""

    @each_variant
    def test_no_global_random_numbers(self, variant: Variant) -> None:
        """The losses neither use nor change the global random number generators."""
        objective = variant.objective()
        batches = variant.batches(objective)
        results = []
        for seed in (1, 1, 2):
            dropout = "computing the losses (or a dropout in a head)"
            with seeded(seed), buffers_restored(objective), untouched(dropout):
                both = losses(objective, *batches)
            results.append({method: total(terms) for method, terms in both.items()})
        for method in METHODS:
            one, again, other = (result[method] for result in results)
            # If equal seeds give different losses, there is another cause, which another check reports.
            assert torch.equal(one, other) or not torch.equal(one, again), (
                f"{method} depends on the seed of a global random number generator; draw from a generator of your own"
            )

    @each_repeatable_variant
    def test_same_call_same_loss(self, variant: Variant) -> None:
        """A second call with the same batch and weights gives the same losses, bit for bit."""
        objective = variant.objective()
        batches = variant.batches(objective)
        first, *others = (values(objective, *batches) for _ in range(3))
        for again in others:
            for method in METHODS:
                assert torch.equal(first[method], again[method]), (
                    f"{method} gives {first[method].item()!r}, and {again[method].item()!r} when it is called again "
                    "with the same batch: it depends on state that no checkpoint saves; make that state a buffer, or "
                    "a schedule if it follows the step"
                )

    @each_variant
    def test_attributes_stay(self, variant: Variant) -> None:
        """Computing the losses changes no attribute: nothing is counted, collected or stored there."""
        objective = variant.objective()
        batches = variant.batches(objective)
        totals(objective, *batches)  # the first call may create an attribute once
        before = attributes(objective)
        totals(objective, *batches)
        for name, value in attributes(objective).items():
            assert GRAPH not in value, (
                f"after the losses, {name} holds a tensor with its graph, and so the memory of a whole step: store "
                "nothing, or the result of detach() in a buffer"
            )
            assert value == before.get(name), (
                f"computing the losses changes {name}, which no checkpoint saves: make it a buffer, or a schedule if "
                "it follows the step"
            )

    @each_repeatable_variant
    def test_instances_are_independent(self, variant: Variant) -> None:
        """Building and using a second loss with other classes changes nothing in the first."""
        objective = variant.objective()
        batches = variant.batches(objective)
        before = values(objective, *batches)
        other = variant.objective(7, seed=1)
        backward(list(totals(other, *variant.batches(other, 7)).values()))
        hint = "keep the state of one loss in attributes of self, not of the class or the module"
        try:
            after = values(objective, *batches)
        except Exception as error:
            raise AssertionError(
                f"a second loss with other classes breaks the first ({type(error).__name__}: {error}): {hint}"
            ) from error
        for method in METHODS:
            assert torch.equal(before[method], after[method]), (
                f"building and using a second loss with other classes changes {method} of the first: {hint}"
            )

    @each_variant
    def test_seed_decides_the_heads(self, variant: Variant) -> None:
        """The same torch seed builds the same heads, for any state of the other random number generators."""
        built = []
        for seed in (1, 2):
            with seeded(seed):
                torch.manual_seed(0)
                built.append(variant.spec.build(variant.config, context(CLASSES)).state_dict())
        one, two = built
        assert one.keys() == two.keys(), "the same torch seed builds other parameters the second time"
        for name, value in one.items():
            same = torch.equal(value, two[name]) if isinstance(value, Tensor) else value == two[name]
            assert same, f"the same torch seed builds a different {name}: initialise it with torch's functions only"

    @each_repeatable_variant
    def test_state_goes_round(self, variant: Variant) -> None:
        """A loss that was used, saved, and loaded into another instance gives the same losses."""
        objective = variant.objective()
        for seed in SEEDS:
            totals(objective, *variant.batches(objective, seed=seed))
        file = io.BytesIO()
        torch.save(objective.state_dict(), file)
        file.seek(0)
        try:
            state = torch.load(file, weights_only=True)
        except Exception as error:
            raise AssertionError(
                "the state dict holds something that a checkpoint cannot load: keep only tensors and plain values in "
                f"it ({str(error).partition('.')[0]})"
            ) from error
        again = variant.objective(seed=1)
        again.load_state_dict(state)
        batches = variant.batches(objective, seed=9)
        one, two = values(objective, *batches), values(again, *batches)
        for method in METHODS:
            assert torch.equal(one[method], two[method]), (
                f"{method} is different after saving and loading: it depends on something that is not in the state "
                "dict; register that as a parameter or as a buffer"
            )


def attributes(module: nn.Module) -> dict[str, list[Any]]:
    """Each attribute of a module and its submodules by its dotted name, as plain values that can be compared."""
    return {
        f"self.{path}.{name}" if path else f"self.{name}": list(_plain(value, DEPTH))
        for path, part in module.named_modules()
        for name, value in vars(part).items()
        if name not in CHECKED_ELSEWHERE
    }


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
