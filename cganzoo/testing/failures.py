"""Where in the author's package a failed check has its cause, and which failures have the same cause."""

from __future__ import annotations

import inspect
import re
from contextlib import suppress
from pathlib import Path

from cganzoo._util import places
from cganzoo._util.lazy import Import
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
    place = places.defined(config, within)
    return f"{place} ({config.__name__})" if place else "", text


def _text(error: BaseException) -> str:
    """Type and first lines of an error; of one that holds the traceback of another process, those of the first cause.

    Empty if it holds a stack without an error.
    """
    text = str(error)
    if "Traceback (most recent call last)" in text:
        return re.split(r"\n\n(?:The above exception|During handling)", text)[0].strip().splitlines()[-1]
    if text.lstrip().startswith('File "'):
        return ""
    return ("" if isinstance(error, AssertionError) else f"{type(error).__name__}: ") + first_lines(error)


def first_lines(error: BaseException) -> str:
    """The first lines of an error's text. The errors of torch may have hundreds of lines."""
    return " ".join(line.strip() for line in str(error).strip().splitlines()[:3] if line.strip())
