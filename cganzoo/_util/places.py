"""Where in somebody's package an error was raised, or something is defined: ``"cganzoo_x/loss.py:41"``."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
import re
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

_IN_TEXT = re.compile(r'File "([^"\n]+)", line (\d+)')
"""A line of a traceback, as in the message of another process or of torch's compiler."""


def sources(modules: Iterable[str]) -> list[str]:
    """The folders of packages and the files of top-level modules that contain ``modules``; imports nothing."""
    found: dict[str, None] = {}
    for top_level in dict.fromkeys(re.split(r"[.:]", module.strip())[0] for module in modules):
        with suppress(ImportError, ValueError, AttributeError):  # as of an odd entry in sys.modules
            if spec := importlib.util.find_spec(top_level):
                places = [*(spec.submodule_search_locations or ())] or [spec.origin or ""]
                found.update(dict.fromkeys(os.path.abspath(place) for place in places if place))
    return list(found)


def raised(error: BaseException, within: Sequence[str]) -> tuple[str, BaseException]:
    """The deepest line of an error's traceback in ``within`` (see :func:`sources`), and the error that it raised.

    Of an error and those that caused it, the first cause counts. If no line is in ``within``, the place is empty.
    """
    first, *later = reversed(list(_chain(error)))
    for one in (first, *later):
        if place := _deepest(_lines(one), within):
            return place, one
    return "", first


def defined(what: Any, within: Sequence[str]) -> str:
    """Where a function, a class or a module is defined; empty if that is not known or not in ``within``."""
    while isinstance(what, functools.partial):
        what = what.func
    with suppress(Exception):  # an object without source
        what = inspect.unwrap(what)
        if code := getattr(what, "__code__", None):
            return _shown(code.co_filename, code.co_firstlineno, within)
        line = 1 if inspect.ismodule(what) else inspect.getsourcelines(what)[1]
        return _shown(inspect.getsourcefile(what) or "", line, within)
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, its cause, the cause of that, and so on."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _lines(error: BaseException) -> Iterator[tuple[str, int]]:
    """File and line of each frame, the deepest last, and of those that are named in the text of the error."""
    for frame, line in traceback.walk_tb(error.__traceback__):
        yield frame.f_code.co_filename, line
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        yield error.filename, error.lineno
    with suppress(Exception):  # str() of somebody's exception may raise
        for file, line_number in _IN_TEXT.findall(str(error)):
            yield file, int(line_number)


def _deepest(lines: Iterable[tuple[str, int]], within: Sequence[str]) -> str:
    found = ""
    for file, line in lines:
        found = _shown(file, line, within) or found
    return found


def _shown(file: str, line: int, within: Sequence[str]) -> str:
    """``package/module.py:line`` if the file is in ``within``."""
    if not file or file.startswith("<"):
        return ""
    file = os.path.abspath(file)
    for source in within:
        if file == source or file.startswith(source + os.sep):
            return f"{os.path.relpath(file, os.path.dirname(source))}:{line}"
    return ""
