"""``cganzoo compare`` in this process, for the tests of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cganzoo.cli.main import main

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


class Command:
    """Runs ``cganzoo`` in this process and keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Any:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        self.code, self.out, self.err = ended.value.code, captured.out, captured.err
        return self


def compare(command: Command, out: Path, *arguments: object) -> Command:
    return command("compare", *arguments, "--out", out, "--device", "cpu")


def scores_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "scores.json").read_text())
    return found


def cells(out: Path) -> Any:
    return scores_of(out)["tables"]
