"""Standard output and standard error as rich consoles; rich is imported when one is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def stdout_console(**options: Any) -> Console:
    """Where results go."""
    from rich.console import Console

    return Console(**options)


def stderr_console() -> Console:
    """Where everything else goes."""
    return stdout_console(stderr=True)


def escaped(text: str) -> str:
    """Text in which rich sees no markup, and a terminal no control code."""
    from rich.markup import escape

    return escape(printable(text))


def printable(text: str) -> str:
    """Text whose control codes are spelt out, so that somebody else's text cannot move the cursor or hide a line."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else character.encode("unicode_escape").decode()
        for character in text
    )


def relative(location: str) -> str:
    """A folder as seen from here, where that is shorter."""
    try:
        return str(Path(location).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return location
