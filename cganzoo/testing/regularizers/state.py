"""The state of a regularizer: buffers that checkpoints save, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from torch import Tensor
from torch.autograd import backward

from cganzoo.testing.conformance import check_equal, explained, load_from_checkpoint
from cganzoo.testing.modules import attributes, check_attributes, check_no_graph, check_seeded, state
from cganzoo.testing.randomness import seeded
from cganzoo.testing.variants import TOTAL_STEPS, check_schedules, each_variant

from . import base
from .base import SEEDS, Game, Penalty, RegularizerChecks

UNSAVED = "no checkpoint saves that state; make it a buffer, or a schedule if it follows the step"


class RegularizerState(RegularizerChecks):
    """State."""

    @each_variant
    def test_same_call_same_penalty(self, case: Penalty) -> None:
        """A second call with the same batch, weights, buffers and seed gives the same penalties, bit for bit."""
        game = Game(case)
        inputs = game.inputs()
        first, *others = (game.values(inputs) for _ in range(3))
        for again in others:
            check_equal(again, first, f"changes when it is called again with the same batch: {UNSAVED}")

    @each_variant
    def test_attributes_stay(self, case: Penalty) -> None:
        """Computing the penalties changes no attribute: nothing is counted, collected or stored there."""
        game = Game(case)
        game.terms(game.inputs())  # the first call may create an attribute once
        before = attributes(case.regularizer)
        game.terms(game.inputs())
        check_attributes(case.regularizer, before, "computing the penalties", UNSAVED)

    @each_variant
    def test_buffers_hold_no_graph(self, case: Penalty) -> None:
        """What a buffer stores is detached, so that no graph grows from step to step."""
        game = Game(case)
        for seed in SEEDS:
            for method in base.PLAYERS:
                terms = game.step(method, game.inputs(seed=seed))
                check_no_graph(case.regularizer, method)
                if terms and base.total(terms).requires_grad:
                    with explained(f"the backward pass of {method}", "store no graph of an earlier step"):
                        backward(base.total(terms))

    @each_variant
    def test_instances_are_independent(self, case: Penalty) -> None:
        """Building and using a second regularizer with other classes and images changes nothing in the first."""
        game = Game(case)
        inputs = game.inputs()
        before = game.values(inputs)
        other = Game(replace(case, classes=7, seed=1, image=(3, 8, 8)))
        with suppress(Exception):  # see any_image
            other.terms(other.inputs())
        hint = "keep the state of one regularizer in attributes of self, not of the class or the module"
        with explained("after a second regularizer was built and used, the first one", hint):
            after = game.values(inputs)
        check_equal(after, before, f"changes when a second regularizer is built and used: {hint}")

    @each_variant
    def test_build_is_seeded(self, case: Penalty) -> None:
        """The same torch seed builds the same buffers, for any state of the other random number generators."""
        check_seeded(lambda: case.spec.build(case.config, case.context))

    @each_variant
    def test_state_goes_round(self, case: Penalty) -> None:
        """A regularizer that was used, saved, and loaded into another instance gives the same penalties."""
        used, again = Game(case), Game(replace(case, seed=1))
        with seeded(0):
            for seed in SEEDS:
                used.terms(used.inputs(seed=seed))
        load_from_checkpoint(again.case.regularizer, case.regularizer)
        inputs = used.inputs(seed=9)
        found, expected = again.values(inputs), used.values(inputs)
        check_equal(found, expected, "is different after saving and loading: keep all state in buffers")

    def test_schedules(self) -> None:
        """Each option that accepts a schedule follows it: at each step, the penalty is that of the scheduled number."""
        check_schedules(self, _results, "penalties")


def _results(case: Penalty, step: int) -> Mapping[str, Tensor]:
    """What a new regularizer computes at a step: the penalties of two batches, and the buffers after them."""
    case = replace(case)
    game = Game(case)
    case.regularizer.advance(step, TOTAL_STEPS)
    found: dict[str, Tensor] = {}
    with seeded(0):
        for turn in range(2):
            for method, terms in game.terms(game.inputs(seed=turn)).items():
                found[f"{method} of batch {turn + 1}"] = base.total(terms).detach()
    return {**found, **{f"buffer {name}": value for name, value in state(case.regularizer).items()}}
