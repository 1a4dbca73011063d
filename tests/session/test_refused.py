"""A command that is refused before its first step leaves the folder of a finished run as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from comparing import PLUGINS, SCORED

from cganzoo.runs.folder import RunFolder

REFUSED = {
    "evaluation.samples=1": "fid",
    'evaluation.extractor={name="inception", weights="gone.pt"}': "no such file",
    'train.init="gone"': "train.init",
    "evaluation.batch_size=1000000000000": "takes at least",
    "train.steps=1": "has reached step 2",
}
KEPT = (".pt", ".toml", ".json", ".jsonl", ".safetensors", ".png")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.suffix in KEPT}


def test_a_refused_command_changes_nothing(command: Callable[..., Any], tmp_path: Path, tiny: str) -> None:
    file = tmp_path / "tiny.toml"
    file.write_text(tiny.replace(PLUGINS, PLUGINS.replace("]", ', "cganzoo-scores"]')) + SCORED)
    run = ("run", file, "--out", tmp_path, "--device", "cpu", "--set", "train.steps=2")
    assert command(*run).code == 0
    folder = RunFolder(tmp_path / "tiny" / "seed-0").path
    before = contents(folder)
    assert "extractor.safetensors" in before
    for fresh in ((), ("--fresh",)):
        for override, message in REFUSED.items():
            if fresh and "reached" in message:  # it starts over
                continue
            result = command(*run, *fresh, "--set", override)
            assert result.code == 2, (override, fresh)
            assert message in result.err
            assert contents(folder) == before, (override, fresh)
