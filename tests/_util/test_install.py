"""Messages name a command that the user's environment has."""

from __future__ import annotations

import importlib.util

import pytest

from cganzoo._util import install


@pytest.mark.parametrize(("has_pip", "command"), [(True, "pip install x"), (False, "uv pip install x")])
def test_the_command_is_one_of_the_environment(has_pip: bool, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "_has_pip", lambda: has_pip)
    assert install.install_command("x") == command


def test_pip_is_looked_for_in_this_environment() -> None:
    assert install._has_pip() == (importlib.util.find_spec("pip") is not None)
