"""What ``cganzoo compare`` shows while it works: in a terminal, and of runs that cannot be trained."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from comparing import Command, compare, scores_of
from rich.console import Console

from cganzoo.compare import terminal, train
from cganzoo.compare.matrix import build_matrix


def in_a_terminal(out: Path, *files: Path) -> str:
    """All that is written to a terminal, without colours; a live display is written again and again."""
    matrix = build_matrix([str(file) for file in files], seeds=[0], overrides=[], out=out)
    console = Console(file=io.StringIO(), force_terminal=True, width=100, legacy_windows=False)
    assert terminal.compare(matrix, console, "cpu", None, fresh=False, mixed=False) == 0
    file = console.file
    assert isinstance(file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue())


def test_each_bar_and_each_ended_run_has_its_name(recipes: dict[str, Path], tmp_path: Path):
    text = in_a_terminal(tmp_path / "out", *recipes.values())
    bars = [line for line in text.splitlines() if "━" in line]
    assert bars
    named = [line for line in bars if not re.match(r"\s*(drawing samples|packing images)", line)]  # for all runs
    assert {line.partition(", seed 0")[0].strip() for line in named} == {"first", "second"}
    for name in recipes:
        assert re.search(rf"{name}, seed 0: finished, fid [\d.]+", text), text


def test_nothing_is_shown_of_what_is_not_known_before_training(
    command: Command, recipes: dict[str, Path], tmp_path: Path
):
    ended = compare(command, tmp_path / "out", *recipes.values(), "--seeds", "0", "--for", "0s")
    before = ended.out.partition("Last checkpoint")[0]
    assert "generator parameters" in before
    assert not re.search(r"^\s*(protocol|device|torch)\s", before, re.MULTILINE)


def test_a_method_that_cannot_be_trained_does_not_stop_the_others(
    command: Command, recipes: dict[str, Path], tmp_path: Path
):
    text = recipes["second"].read_text().replace('name = "digits"', f'name = "folder"\nroot = "{tmp_path / "gone"}"')
    recipes["second"].write_text(text)
    ended = compare(command, tmp_path / "out", *recipes.values(), "--seeds", "0", "--allow-mixed")
    assert ended.code == 2
    states = {run["method"]: (run["state"], run["error"]) for run in scores_of(tmp_path / "out")["reproduce"]["runs"]}
    assert states["first"] == ("finished", "")
    assert states["second"][0] == "failed"
    assert "gone" in states["second"][1]
    # If no method can be trained, that is one message, and nothing is written.
    ended = compare(command, tmp_path / "none", recipes["second"], "--seeds", "0")
    assert ended.code == 2


def test_memory_that_runs_out_fails_one_run_only(
    command: Command, recipes: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    train_run = train.Session.run

    def short(session: Any, *arguments: Any, **options: Any) -> bool:
        if session.resolved.recipe.name == "first":
            raise MemoryError("no memory")
        return bool(train_run(session, *arguments, **options))

    monkeypatch.setattr(train.Session, "run", short)
    ended = compare(command, tmp_path / "out", *recipes.values(), "--seeds", "0")
    assert ended.code == 2
    states = {run["method"]: run["state"] for run in scores_of(tmp_path / "out")["reproduce"]["runs"]}
    assert states == {"first": "failed", "second": "finished"}
