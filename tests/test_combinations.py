"""Losses with additions and on every trunk: they train, or are refused with a reason; docs/combinations.md.

By default a sample of them; ``-m slow`` trains all, and compares the page with what they gave.
"""

from __future__ import annotations

import additions
import combinations
import pairings
import pytest
import torch
from additions import ADDITIONS, Choice, choices, outcome
from pairings import Pair
from short_runs import STEPS, WORKS, gradients, installed, started

from cganzoo.train.engine import Engine

SLOW = pytest.mark.slow
SAMPLE = pairings.sample()


def trained(choice: Choice, addition: str) -> Engine:
    result, engine = outcome(choice, addition)
    assert engine is not None, f"refused: {result}"
    return engine


def test_everything_that_a_column_needs_is_installed() -> None:
    assert additions.missing() == []
    assert additions.additions() == list(ADDITIONS)


def test_every_loss_is_there_with_its_choices() -> None:
    names = {str(choice) for choice in choices()}
    assert {"amgan", "amgan labeling=dynamic", "ecgan variant=UE", "r3gan", "reacgan form=released"} <= names
    assert {choice.loss.name for choice in choices()} == {loss.name for loss in installed("loss")}


def first(addition: str, choice: Choice) -> bool:
    """Whether the combination is of the sample: each loss with its defaults and one addition, in turn."""
    columns, losses = additions.additions()[1:], [one for one in choices() if not one.options]
    return not choice.options and addition == columns[losses.index(choice) % len(columns)]


def cases() -> list[object]:
    """Every loss with every choice of its options and every addition; all but the sample are slow."""
    return [
        pytest.param(choice, addition, id=f"{choice}-{addition}", marks=[] if first(addition, choice) else [SLOW])
        for choice in choices()
        for addition in additions.additions()
    ]


@pytest.mark.parametrize(("choice", "addition"), cases())
def test_a_combination_trains_or_is_refused_with_a_reason(choice: Choice, addition: str) -> None:
    result, engine = outcome(choice, addition)
    if engine is None:
        assert addition != "alone"
        assert len(result) > 20
        return
    assert engine.step == STEPS
    for player, found in gradients(engine).items():
        assert all(gradient.isfinite().all() for gradient in found), player
        assert any(gradient.any() for gradient in found), player
    for name in ("r1", "cr"):
        terms = {term: values for term, values in engine.terms.items() if term.startswith(f"discriminator/{name}")}
        assert bool(terms) == (f'"{name}"' in ADDITIONS[addition])
        assert all(len(values) == STEPS for values in terms.values())
    if ADDITIONS[addition]:
        weights, others = (list(one.trunk.parameters()) for one in (engine, trained(choice, "alone")))
        assert not all(map(torch.equal, weights, others)), "the addition has no effect"


def test_the_sample_has_every_loss_every_trunk_and_every_addition() -> None:
    losses, trunks = ({pair[side] for pair, _ in SAMPLE} for side in (0, 1))
    assert losses == {one.name for one in installed("loss")}
    assert trunks == {one.name for one in installed("discriminator")}
    assert {addition for _, addition in SAMPLE} == set(pairings.ADDED)


def pair_cases() -> list[object]:
    """Every loss with every trunk and every addition; all but the sample are slow."""
    return [
        pytest.param(pair, addition, id="-".join([*pair, addition]), marks=[] if (pair, addition) in SAMPLE else [SLOW])
        for pair in pairings.pairs()
        for addition in pairings.ADDED
    ]


@pytest.mark.parametrize(("pair", "addition"), pair_cases())
def test_every_loss_trains_every_trunk(pair: Pair, addition: str) -> None:
    assert pairings.outcome(pair, addition) == WORKS


@pytest.mark.parametrize("factor", [None, 0.0], ids=["unused", "times zero"])
def test_a_weight_without_gradient_is_reported(factor: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_idle_weight(recipe: str, size: int) -> Engine:
        engine = started(recipe, size)
        assert isinstance(engine, Engine)
        engine.trunk.register_parameter("idle", torch.nn.Parameter(torch.ones(())))
        if factor is not None:
            engine.trunk.register_forward_hook(lambda trunk, _, features: features + factor * trunk.idle)
        return engine

    monkeypatch.setattr(pairings, "started", with_idle_weight)
    assert pairings.outcome.__wrapped__(pairings.pairs()[0], "alone") == "No gradient reaches `trunk idle` in 3 steps"


@SLOW
def test_the_page_says_what_the_trainings_gave() -> None:
    assert combinations.PAGE.read_text() == combinations.page(), "write the page anew with: python docs/generate.py"


def test_the_page_has_every_loss_and_every_trunk() -> None:
    page = combinations.PAGE.read_text()
    for kind in ("loss", "discriminator"):
        for one in installed(kind):
            assert f"| `{one.name}` " in page, (
                f"{one.name} is missing; write the page anew with: python docs/generate.py"
            )
