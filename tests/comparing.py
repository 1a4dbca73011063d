"""``cganzoo compare`` in this process, for the tests of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cganzoo._util.toml import tomllib
from cganzoo.compare.comparison import gather
from cganzoo.compare.matrix import build_matrix
from cganzoo.compare.read import read_states
from cganzoo.compare.report_data import build_view
from cganzoo.registry.probe import load_survivors
from cganzoo.registry.registry import Registry

SCORED = """
[evaluation]
samples = 40
[evaluation.extractor]
name = "classifier"
model = "resnet18"
width = 2
steps = 2
[[metrics]]
name = "fid"
[[metrics]]
name = "class_accuracy"
"""
PLUGINS = 'plugins = ["cganzoo-amgan", "cganzoo-dcgan"]'


Command = Callable[..., Any]
"""Type of the fixture ``command``."""


def compare(command: Command, out: Path, *arguments: object) -> Any:
    return command("compare", *arguments, "--out", out, "--device", "cpu")


def scores_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "scores.json").read_text())
    return found


def cells(out: Path) -> Any:
    return scores_of(out)["tables"]


def write_run(folder: Path, recipe: str, scores: dict[str, float | None], **real: dict[str, float | None]) -> Path:
    """Write a finished run of one evaluation, without training: ``real_test`` and ``real_halves`` are optional.

    ``recipe`` is the text of a whole recipe; its seed and steps are the run's.
    """
    values = tomllib.loads(recipe)
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    metrics = {metric["name"]: {} for metric in values["metrics"]}
    manifest = {
        "version": 2,
        "status": "finished",
        "seed": values["train"].get("seed", 0),
        "step": values["train"]["steps"],
        "evaluation": {
            "scores": scores,
            "real_test": real.get("real_test", {}),
            "real_halves": real.get("real_halves", {}),
            "protocol": {"metrics": metrics},
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def view_of(out: Path, *folders: Path, rank_by: str | None = None) -> dict[str, Any]:
    """The report's values of run folders."""
    names = [str(folder) for folder in folders]
    matrix = build_matrix(names, seeds=None, overrides=[], out=out, rank_by=rank_by)
    with patch("cganzoo.compare.comparison.load_survivors", installed):
        return build_view(gather(matrix, read_states(matrix)), "cganzoo compare")


@cache
def installed() -> Registry:
    """The installed plugins, loaded once for all tests."""
    return load_survivors()
