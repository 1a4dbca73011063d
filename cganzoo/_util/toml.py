"""TOML: the standard library's reader (before Python 3.11 the package ``tomli``), and values written as TOML."""

from __future__ import annotations

import sys
from json import dumps
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["tomllib", "written"]


def written(value: Any) -> str:
    """A value as TOML, on one line; characters that a terminal does not show are escaped."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {written(one)}" for key, one in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    text = dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else _escaped(ord(one)) for one in text)


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"
