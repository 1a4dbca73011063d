"""A run with more steps than before: the bits of a run of that length, or a refusal that says what to write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from comparing import PLUGINS, SCORED
from continuing import CONSTANT, Runs, error, same

HORIZON = "train.horizon=6"


@pytest.fixture
def runs(command: Callable[..., Any], tiny_file: Path, tmp_path: Path) -> Runs:
    return Runs(command, tiny_file, tmp_path)


@pytest.mark.parametrize(
    ("rate", "horizon"),
    [
        pytest.param(CONSTANT, (), id="constant rates", marks=pytest.mark.slow),
        pytest.param("train.seed=0", (HORIZON,), id="a horizon"),
        pytest.param("optimizer.discriminator.lr={from=8e-4, to=0.0, steps=5}", (), id="a schedule in steps"),
        pytest.param(
            "optimizer.discriminator.lr={from=8e-4, to=0.0, after=0.7, steps=2}",
            (),
            id="not yet begun",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_an_extended_run_has_the_bits_of_a_longer_one(runs: Runs, rate: str, horizon: tuple[str, ...]) -> None:
    first = 4 if "after" in rate else 6
    assert runs("extended", rate, f"train.steps={first}").code == 0
    again = runs("extended", rate, "train.steps=12", *horizon)
    assert again.code == 0, again.err
    assert f"resuming from step {first}" in again.out
    assert runs("long", rate, "train.steps=12", *horizon).code == 0
    assert same(runs.state("extended"), runs.state("long"))
    manifest = runs.folder("extended").manifest()
    assert [(call.from_step, call.steps) for call in manifest.calls] == [(0, first), (first, 12)]
    assert (manifest.status, manifest.step) == ("finished", 12)
    assert "is finished" in runs("extended", rate, "train.steps=12", *horizon).out


def test_a_schedule_that_followed_the_run_is_named_and_the_way_out(runs: Runs) -> None:
    runs("one", "train.steps=6")
    before = runs.folder("one").recipe_file.read_bytes()
    for override, key in (("train.steps=12", "train.steps"), ("train.horizon=12", "train.horizon")):
        text = error(runs("one", "train.steps=6", override))
        assert f"{key} = 12 would change the schedule optimizer.discriminator.lr in the 6 steps that are done" in text
        assert "write train.horizon = 6 to keep the schedule, or choose another --out, or --fresh" in text
    assert runs.folder("one").recipe_file.read_bytes() == before


def test_a_schedule_of_the_loss_counts(runs: Runs) -> None:
    weight = (
        "loss={name='acgan', generator_class_weight={from=1.0, to=0.5}}",
        "requires.plugins=['cganzoo-acgan', 'cganzoo-dcgan']",
        CONSTANT,
    )
    runs("one", "train.steps=3", *weight)
    text = error(runs("one", "train.steps=4", *weight))
    assert "would change the schedule loss.generator_class_weight in the 3 steps" in text


def test_a_loss_that_computes_with_the_length_itself(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    from cganzoo_amgan.loss import AMGAN

    def advance(self: Any, step: int, total_steps: int) -> None: ...

    monkeypatch.setattr(AMGAN, "advance", advance)
    runs("one", "train.steps=3", CONSTANT)
    text = error(runs("one", "train.steps=4", CONSTANT))
    assert 'the loss "amgan" follows the length of the run, which was 3 steps; write train.horizon = 3' in text
    assert runs.folder("one").recipe().sections.train.steps == 3
    assert runs("one", "train.steps=4", "train.horizon=3", CONSTANT).code == 0


def test_fewer_steps_than_are_done(runs: Runs) -> None:
    runs("one", CONSTANT, "train.steps=6")
    text = error(runs("one", CONSTANT, "train.steps=4"))
    assert "has reached step 6, so train.steps = 4 is too few; write train.steps = 6 or more" in text
    assert runs("one", CONSTANT, "train.steps=4", fresh=True).code == 0


def test_an_unfinished_run_may_be_shortened_to_what_lies_ahead(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs("one", CONSTANT, "train.steps=3", "train.checkpoint_every=3")
    runs("one", CONSTANT, "train.steps=9")
    runs("two", CONSTANT, "train.steps=3")
    runs.folder("two").recipe_file.write_text(
        runs.folder("two").recipe_file.read_text().replace("steps = 3", "steps = 20")
    )  # as if a longer run had been stopped
    assert runs("two", CONSTANT, "train.steps=9").code == 0
    assert same(runs.state("two"), runs.state("one"))


def test_killed_before_the_longer_run_has_a_checkpoint(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder then holds the longer recipe and the checkpoint of the shorter one, which has another digest."""
    from cganzoo.session.run import Session

    runs("one", CONSTANT, "train.steps=3")
    with monkeypatch.context() as patch:
        for place in ("_resume", "_train_and_score"):
            patch.setattr(Session, place, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            assert runs("one", CONSTANT, "train.steps=5").code == 130
            patch.undo()
    result = runs("one", CONSTANT, "train.steps=6")
    assert result.code == 0, result.err
    runs("long", CONSTANT, "train.steps=6")
    assert same(runs.state("one"), runs.state("long"))


def test_scores_of_the_shorter_run_stay_and_the_last_ones_count(
    runs: Runs, command: Callable[..., Any], tiny_file: Path, tmp_path: Path
) -> None:
    plugins = 'plugins = ["cganzoo-amgan", "cganzoo-dcgan", "cganzoo-scores"]'
    tiny_file.write_text(tiny_file.read_text().replace(PLUGINS, plugins) + SCORED)
    runs("one", CONSTANT, "train.steps=2")
    short = runs.folder("one").manifest().evaluation
    assert short is not None
    runs("one", CONSTANT, "train.steps=4")
    folder = runs.folder("one")
    scored = [record for record in folder.records() if "scores" in record]
    assert [record["step"] for record in scored] == [2, 4]
    assert scored[0]["scores"] == short.scores
    last = folder.manifest().evaluation
    assert last is not None
    assert last.scores == scored[1]["scores"] != short.scores
    assert command("compare", folder.path, "--out", tmp_path / "report", "--device", "cpu").code == 0
    from comparing import cells

    shown = cells(tmp_path / "report")
    assert str(last.scores["class_accuracy"])[:6] in str(shown)
