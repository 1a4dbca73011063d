"""Where in the author's package a failed check has its cause, and which failures have the same cause."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cganzoo._util import places
from cganzoo._util.lazy import Import
from cganzoo._util.memory import is_out_of_memory
from cganzoo.hookspecs import PROJECT
from cganzoo.registry import Component

OF_OPTIONS = re.compile("options_|schema_|unknown_option_")
"""Checks of the options, by the beginning of their names."""
WORDS = 12
"""Words of a message among which the name of a method is searched."""


def place_of(component: Component, check: str, error: BaseException) -> tuple[str, str]:
    """``package/module.py:line`` in the author's package, and the error that made the check fail, as text.

    If no error was raised in the package, the place is the definition of the method that the message names, of the
    options, or of the component, with its name: ``package/module.py:line (MyLoss)``. The text is empty for a check that
    found a wrong result.
    """
    build, config = component.spec.build, component.spec.config
    module = build.path if isinstance(build, Import) else getattr(build, "__module__", "")
    within = places.sources([component.provider.module])
    if component.provider.distribution == PROJECT:  # whose package contains the checks
        within = [str(entry) for source in within for entry in Path(source).iterdir() if entry.name != "testing"]
    else:  # a distribution may have several packages
        others = (name for name in (module, config.__module__) if name.partition(".")[0] not in ("", PROJECT))
        within += [source for source in places.sources(others) if source not in within]
    place, cause = places.raised(error, within)
    if place:
        return place, _text(cause)
    text = "" if isinstance(cause, AssertionError) else _text(cause)
    if not OF_OPTIONS.match(check):
        with suppress(Exception):  # for example, it cannot be imported
            built = build.found() if isinstance(build, Import) else build
            methods = [getattr(built, word, None) for word in re.findall(r"\w+", str(error))[:WORDS]]
            for source in (*filter(inspect.isfunction, methods), built):
                if place := places.defined(source, within):
                    return f"{place} ({source.__name__})", text
    if place := places.defined(config, within):
        return f"{place} ({config.__name__})", text
    return _registration(component, within), text


def advice(error: BaseException) -> str:
    """What to do about an error of any check, if there is more to say than its text; begins with ``"; "``."""
    if is_out_of_memory(error):
        return "; the checks need a small component: set small, as small={...}, in its specification"
    return ""


def _registration(component: Component, within: Sequence[str]) -> str:
    """The line of the plugin's module that names what ``build`` is, or its first line."""
    module = sys.modules.get(component.provider.module.partition(":")[0])
    place = places.defined(module, within)
    build = component.spec.build
    if place and isinstance(build, Import):
        lines = inspect.getsource(module).splitlines()  # type: ignore[arg-type]
        number = next((at for at, line in enumerate(lines, 1) if build.path in line), 1)
        place = f"{place.rpartition(':')[0]}:{number}"
    return place


def _text(error: BaseException) -> str:
    """Type and first lines of an error; of one that holds the traceback of another process, those of the first cause.

    Empty if it holds a stack without an error.
    """
    text = str(error)
    if "Traceback (most recent call last)" in text:
        return re.split(r"\n\n(?:The above exception|During handling)", text)[0].strip().splitlines()[-1]
    if text.lstrip().startswith('File "'):
        return ""
    if isinstance(error, SyntaxError):  # whose text has the line, too
        return f"{type(error).__name__}: {error.msg}"
    return ("" if isinstance(error, AssertionError) else f"{type(error).__name__}: ") + first_lines(error)


def first_lines(error: BaseException) -> str:
    """The first lines of an error's text. The errors of torch may have hundreds of lines."""
    return " ".join(line.strip() for line in str(error).strip().splitlines()[:3] if line.strip())
