"""Every loss trains with regularizers and augmentations, or is refused with a reason; docs/combinations.md."""

from __future__ import annotations

import combinations
import pytest
import torch
from combinations import ADDITIONS, WORKS, Choice, additions, choices, gradients, outcome

from cganzoo.train.engine import Engine


def trained(choice: Choice, addition: str) -> Engine:
    result, engine = outcome(choice, addition)
    assert engine is not None, f"refused: {result}"
    return engine


def test_everything_that_a_column_needs_is_installed() -> None:
    assert combinations.missing() == []
    assert additions() == list(ADDITIONS)


def test_every_loss_is_there_with_its_choices() -> None:
    names = {str(choice) for choice in choices()}
    assert {"amgan", "amgan labeling=dynamic", "ecgan variant=UE", "r3gan", "reacgan form=released"} <= names
    assert {choice.loss.name for choice in choices()} == {loss.name for loss in combinations.installed("loss")}


@pytest.mark.parametrize("choice", choices(), ids=str)
@pytest.mark.parametrize("addition", additions())
def test_a_combination_trains_or_is_refused_with_a_reason(choice: Choice, addition: str) -> None:
    result, engine = outcome(choice, addition)
    if engine is None:
        assert addition != "alone"
        assert len(result) > 20
        return
    assert engine.step == combinations.STEPS
    for player, found in gradients(engine).items():
        assert all(gradient.isfinite().all() for gradient in found), player
        assert any(gradient.any() for gradient in found), player
    for name in ("r1", "cr"):
        terms = {term: values for term, values in engine.terms.items() if term.startswith(f"discriminator/{name}")}
        assert bool(terms) == (f'"{name}"' in ADDITIONS[addition])
        assert all(len(values) == combinations.STEPS for values in terms.values())
    if ADDITIONS[addition]:
        weights, others = (list(one.trunk.parameters()) for one in (engine, trained(choice, "alone")))
        assert not all(map(torch.equal, weights, others)), "the addition has no effect"


def test_the_page_says_what_the_trainings_gave() -> None:
    assert combinations.PAGE.read_text() == combinations.page(), "write the page anew with: python docs/generate.py"
    assert WORKS in combinations.page()
