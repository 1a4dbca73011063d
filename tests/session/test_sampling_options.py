"""``evaluation.truncation`` and ``evaluation.batch_statistics``: used in scores and grids, and refused early."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from comparing import PLUGINS, SCORED

from cganzoo.errors import CganzooError
from cganzoo.networks import Generator
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs.folder import RunFolder

OPTIONS = ("--set", "evaluation.batch_statistics=batch", "--set", "evaluation.truncation=0.3")


def test_the_options_are_part_of_the_recipe_only_if_they_are_used(resolved: Callable[..., Resolved]) -> None:
    plain = resolved()
    for key, default, other in (("batch_statistics", "standing", "batch"), ("truncation", 0.5, 0.7)):
        one, two = (resolved(f"evaluation.{key}={value}") for value in (default, other))
        assert plain.training_digest() == one.training_digest() == two.training_digest()
        assert (plain.recipe_digest() == one.recipe_digest()) == (default == "standing")
        assert one.recipe_digest() != two.recipe_digest()


def test_scores_and_grids_follow_the_options(tmp_path: Path, tiny: str, command: Callable[..., Any]) -> None:
    recipe, folder = tmp_path / "tiny.toml", RunFolder(tmp_path / "runs" / "tiny" / "seed-0")
    text = tiny.replace(PLUGINS, PLUGINS.replace("]", ', "cganzoo-scores"]')).replace("steps = 20", "steps = 4")
    recipe.write_text(text + SCORED)

    def grid() -> bytes:
        return next(folder.samples.glob("*.png")).read_bytes()

    run = ("run", recipe, "--out", tmp_path / "runs", "--device", "cpu")
    assert command(*run).code == 0
    before = grid()
    plain, other = (json.loads(command("evaluate", folder.path, "--json", *some).out) for some in ((), OPTIONS))
    assert plain["protocol"]["samples"] == {
        "count": 40,
        "weights": "ema",
        "batch_statistics": "standing (20 x 100)",
        "seed": 0,
    }
    assert other["protocol"]["samples"] == {
        "count": 40,
        "weights": "ema",
        "batch_statistics": "batch (40)",
        "truncation": 0.3,
        "seed": 0,
    }
    assert plain["protocol"]["fingerprint"] != other["protocol"]["fingerprint"]
    assert plain["scores"]["fid"] != other["scores"]["fid"]
    assert command(*run, "--fresh", *OPTIONS).code == 0
    assert grid() != before
    evaluation = folder.manifest().evaluation
    assert evaluation is not None
    assert evaluation.scores["fid"] == other["scores"]["fid"]


def test_a_generator_that_cannot_be_truncated_is_refused_before_the_training(
    tiny_file: Path, tmp_path: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise CganzooError("Toy has noise of its own, which cannot be truncated")

    monkeypatch.setattr(Generator, "truncated", refuse)
    out = ("--out", tmp_path / "runs", "--device", "cpu")
    result = command("run", tiny_file, *out, "--set", "evaluation.truncation=0.3")
    assert result.code == 2
    assert (
        "evaluation.truncation = 0.3: Toy has noise of its own, which cannot be truncated; leave it out" in result.err
    )
    assert not list((tmp_path / "runs").rglob("*.pt"))


@pytest.mark.parametrize("value", ["-0.1", "11", "nan", "'0.5'"])
def test_a_truncation_of_no_use_is_refused_when_the_recipe_is_read(
    value: str, tiny_file: Path, tmp_path: Path, command: Callable[..., Any]
) -> None:
    result = command("run", tiny_file, "--out", tmp_path / "runs", "--set", f"evaluation.truncation={value}")
    assert result.code == 2
    assert "evaluation.truncation" in result.err
