"""What a manifest says of where a run came from."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from cganzoo.registry import Provider
from cganzoo.runs import provenance


def test_the_command_can_be_pasted_back_into_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["run", "my recipe.toml", "--set", "metrics=[]", "--set", 'data.root="it\'s here"', "--name", ""]
    monkeypatch.setattr("sys.argv", ["/usr/bin/cganzoo", *arguments])
    assert shlex.split(provenance.command()) == ["cganzoo", *arguments]
    monkeypatch.setattr("sys.argv", ["cganzoo", "run", "amgan_digits", "--set", "train.steps=5"])
    assert provenance.command() == "cganzoo run amgan_digits --set train.steps=5"


def code_now(place: Path) -> dict[str, str]:
    """What a process that starts now would find."""
    provenance._source_digest.cache_clear()
    return provenance.code([provider(place)])


def provider(place: Path, name: str = "cganzoo-mine") -> Provider:
    return Provider(distribution=name, version="1.2", entry_point="mine", module="cganzoo_mine", location=str(place))


def test_the_hash_of_code_changes_with_the_source_and_with_nothing_else(tmp_path: Path) -> None:
    package = tmp_path / "cganzoo_mine"
    package.mkdir()
    (package / "__init__.py").write_text("one = 1\n")
    first = code_now(package)
    assert set(first) == {"cganzoo", "cganzoo-mine"}
    (package / "notes.txt").write_text("no code")
    (package / "__init__.py").write_bytes(b"one = 1\r\n")  # the same source, checked out on Windows
    assert code_now(package) == first
    (package / "loss.py").write_text("two = 2\n")
    second = code_now(package)
    assert second["cganzoo-mine"] != first["cganzoo-mine"]
    assert second["cganzoo"] == first["cganzoo"]
    (package / "loss.py").rename(package / "other.py")
    assert code_now(package) != second


def test_editing_the_source_while_a_process_runs_does_not_change_what_it_runs(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("one = 1\n")
    first = code_now(tmp_path)
    (tmp_path / "__init__.py").write_text("one = 2\n")
    assert provenance.code([provider(tmp_path)]) == first
    assert code_now(tmp_path) != first


def test_a_plugin_that_is_a_single_module_is_known_by_its_version(tmp_path: Path) -> None:
    assert provenance.code([provider(tmp_path)])["cganzoo-mine"] == "version 1.2"


def test_what_is_left_out_of_the_hash_is_there() -> None:
    bundled_in_wheels_only = {"recipes"}
    assert {name for name in provenance.NOT_IN_A_RUN if not (provenance.HOST / name).exists()} <= bundled_in_wheels_only
