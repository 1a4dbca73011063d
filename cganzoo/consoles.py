"""Standard output and standard error as rich consoles; rich is imported when one is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def output(**options: Any) -> Console:
    """Where results go."""
    from rich.console import Console

    return Console(**options)


def errors() -> Console:
    """Where everything else goes."""
    return output(stderr=True)


def escaped(text: str) -> str:
    """Text in which rich sees no markup."""
    from rich.markup import escape

    return escape(text)
