"""The command that installs a distribution into the environment of this process."""

from __future__ import annotations

import functools
import importlib.util


def install_command(what: str) -> str:
    """``pip install WHAT``, or ``uv pip install WHAT`` in an environment without pip, as uv makes them."""
    return f"{'' if _has_pip() else 'uv '}pip install {what}"


@functools.cache
def _has_pip() -> bool:
    return importlib.util.find_spec("pip") is not None
