"""Runs of a few steps in this process, and their last checkpoint, for tests that continue them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder

CONSTANT = "optimizer.discriminator.lr=8e-4"
"""The tiny recipe with a rate that does not depend on the length of the run."""


class Runs:
    """``cganzoo run`` of one recipe, in folders below ``place``."""

    def __init__(self, command: Callable[..., Any], recipe: Path, place: Path) -> None:
        self._command, self._recipe, self._place = command, recipe, place

    def __call__(self, out: str, *overrides: str, fresh: bool = False) -> Any:
        """Run it with these overrides; returns exit code and outputs."""
        options = [part for override in overrides for part in ("--set", override)]
        options += ["--fresh"] if fresh else []
        return self._command("run", self._recipe, "--out", self._place / out, "--device", "cpu", *options)

    def folder(self, out: str) -> RunFolder:
        return RunFolder(self._place / out / self._recipe.stem / "seed-0")

    def state(self, out: str) -> dict[str, Any]:
        """The newest checkpoint without what is measured in seconds."""
        state, damaged = checkpoint.newest(self.folder(out).checkpoints)
        assert state is not None
        assert not damaged
        state.pop("seconds")
        return state


def same(one: object, other: object) -> bool:
    """Equal to the bit, through dicts and lists."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return isinstance(other, list | tuple) and len(one) == len(other) and all(map(same, one, other))
    return one == other


def error(result: Any) -> str:
    """The one message of a command that was refused."""
    assert result.code == 2, (result.out, result.err)
    text = " ".join(result.err.split())
    assert "Traceback" not in text
    return text
