"""Pieces of messages: hints at a mistyped name, lists of words, shortened values."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """``did you mean "x"?``, where x is the known name closest to ``name``; ``otherwise`` if none is close."""
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f'did you mean "{close[0]}"?' if close else otherwise


def listed(words: Iterable[str], conjunction: str = "or") -> str:
    """``a, b or c``."""
    *first, last = words
    return f"{', '.join(first)} {conjunction} {last}" if first else last


def shortened(text: str, length: int = 40) -> str:
    """The text, cut to ``length`` characters that end in three dots if it is longer."""
    return text if len(text) <= length else f"{text[: length - 3]}..."
