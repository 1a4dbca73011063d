"""The process in which :mod:`cganzoo.registry.probe` has plugins loaded."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from cganzoo.errors import PluginError
from cganzoo.hookspecs import PROJECT

from .description import describe
from .discovery import Provider
from .loading import Loader, built_in, choose
from .registry import Plugin

T = TypeVar("T")

SLOW = 0.5
"""Seconds from which loading a plugin is called slow."""

LONG_SUMMARY = 200
"""Characters from which a summary is called long."""


def child(arguments: str) -> None:
    """Load what the job does not call finished, or the one that it wants alone, and tell.

    Ends the process at once, whatever plugins left running.
    """
    job = json.loads(arguments)
    pipe, token = job["pipe"], job["token"].encode()
    dumps, write = json.dumps, os.write  # as they are before any plugin
    sys.argv[:] = [PROJECT]  # a plugin that reads the command line is none of ours
    os.set_inheritable(pipe, False)

    def say(**line: Any) -> None:
        left = token + dumps(line, default=str).encode() + b"\n"
        while left:
            left = left[write(pipe, left) :]

    try:
        _load(frozenset(job["finished"]), job["only"], say)
    except PluginError as error:
        say(error=str(error))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _load(finished: frozenset[int], only: int | None, say: Callable[..., None]) -> None:
    wanted, unloaded = choose(None)
    providers = [*built_in(), *wanted]
    say(providers=[_plain(provider) for provider in providers], unloaded=[_plain(provider) for provider in unloaded])
    loader = Loader(tell=lambda doing: say(doing=doing), interruptible=False)
    _printed_by(_at_exit)  # the host's own; from here on, what is left for the end is the plugin's
    for number, provider in enumerate(providers):
        if number in finished:
            loader.skip(provider)
            continue
        if only not in (None, number):
            continue
        say(begin=number)
        plugin, printed = _printed_by(lambda: loader.load(provider))  # noqa: B023 - called here and now
        say(doing="what it left for the end of the program")
        _, printed_at_end = _printed_by(_at_exit)
        say(finished=number, **_told(plugin, say, printed, printed_at_end))
        if plugin.imported_torch:  # it would hide whether the next one imports it, and how long that takes
            break
    say(end=True)


def _told(plugin: Plugin, say: Callable[..., None], printed: str, printed_at_end: str) -> dict[str, Any]:
    """What came of one plugin, as plain data."""
    provider = _plain(plugin.provider)
    notes = [*plugin.notes]
    if plugin.seconds > SLOW:
        notes.append(f"takes {plugin.seconds:.1f} s to load")
    if printed:
        notes.append(f'prints when it is loaded: "{printed}"')
    if printed_at_end:
        notes.append(f'prints when the program ends: "{printed_at_end}"')
    failures = [{**provider, "reason": one.reason, "traceback": one.traceback} for one in plugin.failures]
    components = []
    for component in plugin.components:
        say(doing=f"describing {component}")
        try:
            components.append(describe(component))
        except BaseException as error:
            reason = f"describing {component} raised {type(error).__name__}: {_line(str(error))}"
            failures.append({**provider, "reason": reason, "traceback": traceback.format_exc()})
        if len(component.spec.summary) > LONG_SUMMARY:
            notes.append(f"the summary of {component} has {len(component.spec.summary):,} characters")
        if not component.spec.summary.isprintable():
            notes.append(f"the summary of {component} holds control characters")
    return {
        "plugin": {**provider, "seconds": round(plugin.seconds, 4), "imported_torch": plugin.imported_torch},
        "components": components,
        "notes": [{**provider, "note": note} for note in notes],
        "failures": failures,
    }


def _plain(provider: Provider) -> dict[str, Any]:
    fields = ("distribution", "version", "entry_point", "module", "location", "wants_host")
    return {name: getattr(provider, name) for name in fields}


def _at_exit() -> None:
    """Run and forget what was registered to run when the program ends."""
    atexit._run_exitfuncs()


def _printed_by(call: Callable[[], T]) -> tuple[T, str]:
    """What ``call`` returns, and the first line of what it prints: by Python or by compiled code."""
    start = _size_of_output()
    result = call()
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(Exception):
            stream.flush()  # type: ignore[union-attr]
    if _size_of_output() == start:
        return result, ""
    with contextlib.suppress(OSError):
        return result, _line(os.pread(1, 1000, start).decode(errors="replace"))
    return result, "(unknown)"


def _size_of_output() -> int:
    with contextlib.suppress(OSError):
        return os.fstat(1).st_size
    return 0


def _line(text: str) -> str:
    text = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return text if len(text) <= 60 else text[:60] + " ..."
