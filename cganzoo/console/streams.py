"""Consoles for standard output and standard error, and text that is safe to print; rich is imported when needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

UNCUT = 100_000
"""Characters of a line in a pipe or a file."""


def stdout_console(**options: Any) -> Console:
    """A console on standard output, for results: text is shown as it is, see :class:`.plain.PlainConsole`.

    Programs search a pipe or a file, so lines are not cut there.
    """
    from .plain import PlainConsole

    console = PlainConsole(**options)
    if not (console.is_terminal or console.is_jupyter or "width" in options or "COLUMNS" in os.environ):
        console.width = UNCUT
    return console


def stderr_console() -> Console:
    """A console on standard error, for all output that is not a result."""
    return stdout_console(stderr=True)


def print_line(text: str) -> None:
    """Print one line to standard output, whole and as it is."""
    stdout_console().print(printable(text), soft_wrap=True)


def print_labelled(label: str, text: str) -> None:
    """Print one line to standard error: a label of ours, which may have rich markup, and then the unchanged text."""
    from rich.text import Text

    stderr_console().print(Text.from_markup(label).append(f" {printable(text)}", "not bold default"), soft_wrap=True)


def printable(text: str) -> str:
    """The text with control codes written as escapes, so that a plugin's text cannot move the cursor or hide a line."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else character.encode("unicode_escape").decode()
        for character in text
    )


def relative(location: str) -> str:
    """The path relative to the current folder, if it lies inside."""
    try:
        return str(Path(location).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return location
