"""Pieces of messages: hints at a mistyped name, lists of words, shortened values."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST_NAME = 200
"""Characters of a name that is compared with the known ones."""


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """``did you mean "x"?``, where x is the known name closest to ``name``; ``otherwise`` if none is close."""
    known = sorted(known) if len(name) <= LONGEST_NAME else []  # a longer one is no slip, and slow to compare
    close = difflib.get_close_matches(name, known, n=1)
    return f'did you mean "{close[0]}"?' if close else otherwise


def listed(words: Iterable[str], conjunction: str = "or") -> str:
    """``a, b or c``."""
    *first, last = words
    return f"{', '.join(first)} {conjunction} {last}" if first else last


def shortened(text: str, length: int = 40) -> str:
    """The text, cut to ``length`` characters that end in three dots if it is longer."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def one_line(text: str, length: int = 80) -> str:
    """The text, :func:`escaped` and cut to ``length`` characters."""
    return escaped(shortened(text, length))


def escaped(text: str) -> str:
    """The text on one line, with everything that a terminal does not show written as an escape."""
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
