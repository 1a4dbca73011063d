"""The console of all output: text is shown as it is, never read as markup, and control codes in it are escaped.

Names of files and classes, values of recipes and messages of exceptions come from elsewhere. Written raw, a name with
brackets would lose a part, and one with an escape code could clear the screen or hide a line.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from .streams import printable


class PlainConsole(Console):
    """A rich console for text from elsewhere. Styles are given by ``Text``, ``style`` and columns, not by markup."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of anything that is printed: also of tables, panels and live displays."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)
