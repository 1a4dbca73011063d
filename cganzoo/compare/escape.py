"""Text of others in the files of a report: labels, folder names and errors must not act as markup or as a formula.

HTML is escaped by jinja2. Imports no torch.
"""

from __future__ import annotations

import math
import re
from typing import Any

from cganzoo.console.streams import printable

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters that make a spreadsheet read a cell as a formula."""

_MARKDOWN = re.compile(r"[\\`*\[\]<>|~&@]|(?<![^\W_])_|_(?![^\W_])|(?<=:)/(?=/)|(?<=www)\.", re.IGNORECASE)
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_MARKDOWN_START = re.compile(r"^(\d*)([#+=.)-])")
_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def plain_label(text: str) -> str:
    """The text with control codes, line breaks and bytes that are not UTF-8 written as escapes."""
    return printable(text).replace("\n", "\\n")


def printable_values(value: Any) -> Any:
    """JSON values whose texts, keys included, can be written as UTF-8 and contain no control codes but line breaks.

    A number that is not finite, such as the mean of absurd scores, becomes ``None``.
    """
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable_values(key): printable_values(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable_values(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def csv_text(text: str) -> str:
    """A cell of text: a spreadsheet shows one that looks like a formula as it is. Not for numbers."""
    return f"'{text}" if text.startswith(FORMULA) else text


def markdown_text(text: str) -> str:
    """Text in one line of Markdown, or in a cell of a table: without markup, links or HTML."""
    return _MARKDOWN.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), " ".join(text.split()))


def markdown_line(text: str) -> str:
    """Text as a line of its own, which does not begin a heading or a list."""
    return _MARKDOWN_START.sub(r"\1\\\2", markdown_text(text))


def tex_text(text: str) -> str:
    """Text for LaTeX. A bracket or a star at its start would be an argument of the line break before it."""
    line = "".join(_TEX.get(character, character) for character in text)
    return f"{{{line[0]}}}{line[1:]}" if line.startswith(("[", "*")) else line
