"""The group of all commands: control codes of an argument never reach the terminal through a usage error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperGroup

from cganzoo.console.streams import printable


class Group(TyperGroup):
    """Like typer's own, but what it says of an unknown option or a wrong value is printable."""

    def make_context(self, *arguments: Any, **named: Any) -> Any:
        """Parse the options of the program."""
        with _printable_errors():
            return super().make_context(*arguments, **named)

    def invoke(self, ctx: Any) -> Any:
        """Parse the options of a command, and run it."""
        with _printable_errors():
            return super().invoke(ctx)


@contextmanager
def _printable_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message"):  # a usage error: click's classes are a private part of newer typers
            for name in ("message", "option_name", "param_hint"):
                if isinstance(text := getattr(error, name, None), str):
                    setattr(error, name, printable(text))
        raise
