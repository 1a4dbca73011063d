"""``cganzoo compare`` in this process, for the tests of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
