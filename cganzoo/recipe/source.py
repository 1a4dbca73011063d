"""The text of a recipe and its TOML values: bounded in size, depth and numbers, so that reading always ends soon."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable
from datetime import date, time
from pathlib import Path
from typing import Any

from cganzoo._util.text import one_line
from cganzoo._util.toml import tomllib
from cganzoo.errors import RecipeError

from .messages import place

LARGEST = 1_000_000
"""Bytes of a recipe file. The bundled ones have at most 6,000."""

DEEPEST = 32
"""Tables and arrays inside each other. The host's own keys need 4."""

MOST_DIGITS = 4300
"""Digits of a number that Python reads."""

TOKEN = re.compile(
    r"""
      (?P<skipped> [ \t]+ )
    | (?P<text> \"{3} [^"\\]* (?: (?: \\[\s\S] | "(?!"") ) [^"\\]* )* (?: "{3,5} | \\?\Z )
              | \'{3} [^']* (?: '(?!'') [^']* )* (?: '{3,5} | \Z )
              | \#[^\n]* )
    | (?P<part> [A-Za-z0-9_-]+ | "[^"\\\n]* (?: \\. [^"\\\n]* )* "? | '[^'\n]*'? )
    | (?P<dot> \. )
    | [\s\S]
    """,
    re.VERBOSE,
)
"""A token of TOML, as far as dotted keys need it. A text without its end goes to the end: reading stops there."""

Keys = tuple[str | int, ...]


def read_text(path: Path, source: str | None = None) -> str:
    """The text of a TOML file; ``source`` is its name in messages.

    Raises:
        RecipeError: it is no regular file (a pipe would block), too large, or not UTF-8.
    """
    source = one_line(str(path) if source is None else source, 200)
    try:
        # O_NONBLOCK: a pipe that replaces the file after a check would otherwise block here.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise RecipeError(f"{source}: is not a regular file; name a recipe file")
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise RecipeError(f"{source}: has more than {LARGEST:,} bytes, so it is not a recipe; name a recipe file")
        return data.decode("utf-8-sig")  # editors on Windows may write a byte-order mark
    except (OSError, ValueError) as error:  # ValueError: bytes that are not UTF-8, or a path with a null character
        reason = getattr(error, "strerror", None) or error
        raise RecipeError(f"{source}: cannot be read as a recipe: {one_line(str(reason), 200)}") from error


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """The values of a TOML text, checked by :func:`check_values`.

    Raises:
        RecipeError: it is not valid TOML, or a value is one that no recipe can hold.
    """
    check_keys(text, source)
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{source}: is not valid TOML: {toml_error(error)}") from error
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{source}: {_unreadable(text, error)}") from error
    check_values(values, lambda keys: place(source, keys))
    return values


def toml_error(error: tomllib.TOMLDecodeError) -> str:
    """The message of a TOML error: bounded, but with the line and the column at its end."""
    message, at, position = str(error).rpartition(" (at ")
    return f"{one_line(message, 120)}{at}{position}" if message else one_line(position, 120)


def _unreadable(text: str, error: ValueError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return _too_deep()
    number = re.search(rf"\d[\d_]{{{MOST_DIGITS},}}", text)
    line = f" (line {text.count(chr(10), 0, number.start()) + 1})" if number else ""
    return f"holds a number of more than {MOST_DIGITS:,} digits{line}; a whole number has at most 64 bits"


def _too_deep() -> str:
    return f"tables and arrays are nested more than {DEEPEST} deep; no recipe needs that"


def check_keys(text: str, source: str) -> None:
    """Raise if a dotted key has very many parts: the time to parse it grows with their square."""
    if text.count(".") <= DEEPEST:
        return
    parts, dot = 0, False
    for token in TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "part":
            parts = parts + 1 if dot else 1
            if parts > DEEPEST + 1:
                line = text.count("\n", 0, token.start()) + 1
                raise RecipeError(f"{source}: line {line}: {_too_deep()}")
        elif kind in (None, "text"):
            parts = 0
        if kind != "skipped":
            dot = kind == "dot"


def check_values(values: Any, where: Callable[[Keys], str], prefix: Keys = ()) -> None:
    """Check every value for what TOML can write but a recipe cannot hold.

    ``where`` names the place of keys in a message; ``prefix`` are the keys of ``values`` itself.

    Raises:
        RecipeError: it is nested too deeply, or holds a date, an integer beyond 64 bits, or text that is no Unicode.
    """
    waiting: list[tuple[Any, Keys]] = [(values, prefix)]
    while waiting:
        value, keys = waiting.pop()
        if len(keys) > DEEPEST:
            raise RecipeError(f"{where(keys[:4])}: {_too_deep()}")
        if wrong := problem(value):
            raise RecipeError(f"{where(keys)}: {wrong}")
        if isinstance(value, (dict, list)):
            inside: Iterable[tuple[str | int, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
            waiting += [(below, (*keys, key)) for key, below in inside]


def problem(value: Any) -> str:
    """Why a recipe cannot hold a value, or an empty string."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "the whole number has more than 64 bits, which no key takes"
    if isinstance(value, (date, time)):
        return f'"{value}" is a date or a time, which no key takes; write it in quotes if it is a text'
    if isinstance(value, str):
        if "\0" in value:
            return "the text holds a null character; remove it"
        if any("\ud800" <= character <= "\udfff" for character in value):
            return "the text is not UTF-8; write it in UTF-8, or rename the file that it names"
    return ""
