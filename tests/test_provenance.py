"""What a manifest says of where a run came from."""

from __future__ import annotations

import shlex

import pytest

from cganzoo import provenance


def test_the_command_can_be_pasted_back_into_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["run", "my recipe.toml", "--set", "metrics=[]", "--set", 'data.root="it\'s here"', "--name", ""]
    monkeypatch.setattr("sys.argv", ["/usr/bin/cganzoo", *arguments])
    assert shlex.split(provenance.command()) == ["cganzoo", *arguments]
    monkeypatch.setattr("sys.argv", ["cganzoo", "run", "amgan_digits", "--set", "train.steps=5"])
    assert provenance.command() == "cganzoo run amgan_digits --set train.steps=5"
