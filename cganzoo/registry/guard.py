"""What belongs to the program and not to a plugin that is being loaded: put back afterwards, and told."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from importlib.machinery import PathFinder
from types import FrameType
from typing import Any

from .discovery import PROJECT


def _environment(value: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(value)


def _logging(value: tuple[int, list[logging.Handler], int]) -> None:
    logging.root.setLevel(value[0])
    logging.root.handlers[:] = value[1]
    logging.disable(value[2])


def _folder() -> str | None:
    with suppress(OSError):  # it was removed
        return os.getcwd()
    return None


def _import_path(value: list[str]) -> None:
    sys.path[:] = value


def _filters(value: list[Any]) -> None:
    warnings.filters[:] = value  # type: ignore[index]


def _path_hooks(value: list[Any]) -> None:
    sys.path_hooks[:] = value


def _finders() -> list[Any]:
    """Those that are asked before Python's own gives up. Libraries such as six add some behind it, and need them."""
    end = sys.meta_path.index(PathFinder) + 1 if PathFinder in sys.meta_path else None
    return sys.meta_path[:end]


def _put_finders(value: list[Any]) -> None:
    sys.meta_path[:] = [*value, *sys.meta_path[len(_finders()) :]]


def _timers() -> set[int]:
    """Those that run: each ends in a signal."""
    kinds = [
        getattr(signal, name) for name in ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF") if hasattr(signal, name)
    ]
    return {kind for kind in kinds if signal.getitimer(kind)[0]}


def _stop_timers(before: set[int]) -> None:
    for kind in _timers() - before:
        signal.setitimer(kind, 0)


Handler = Callable[[int, FrameType | None], Any] | int | None


def _handlers() -> dict[int, Handler]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def _put_handlers(value: dict[int, Handler]) -> None:
    for number, handler in value.items():
        if handler is not None and signal.getsignal(number) != handler:  # none: it is not Python's
            signal.signal(number, handler)


def _own_modules() -> dict[str, Any]:
    return {name: module for name, module in list(sys.modules.items()) if name.partition(".")[0] == PROJECT}


STATE: Mapping[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "the timers": (_timers, _stop_timers),  # before the handlers of their signals
    "the signal handlers": (_handlers, _put_handlers),
    "the working directory": (_folder, os.chdir),
    "sys.path": (lambda: list(sys.path), _import_path),
    "sys.meta_path": (_finders, _put_finders),
    "sys.path_hooks": (lambda: list(sys.path_hooks), _path_hooks),
    "sys.stdout": (lambda: sys.stdout, lambda value: setattr(sys, "stdout", value)),
    "sys.stderr": (lambda: sys.stderr, lambda value: setattr(sys, "stderr", value)),
    "the recursion limit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "the environment": (lambda: dict(os.environ), _environment),
    "the warning filters": (lambda: list(warnings.filters), _filters),
    "the logging of the program": (
        lambda: (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        _logging,
    ),
}
"""How each is read, and put back."""


THREAD = "starts a thread that goes on"


@contextmanager
def guarded() -> Iterator[list[str]]:
    """Put back what the block changes of :data:`STATE`; the list that it gives says, afterwards, what it did."""
    notes: list[str] = []
    changed = []
    before = {what: read() for what, (read, _) in STATE.items()}
    modules = _own_modules()
    threads = set(threading.enumerate())
    try:
        yield notes
    finally:
        for what, (read, restore) in STATE.items():
            with suppress(Exception):  # what cannot be put back must not hide what the block did
                if read() != before[what]:
                    changed.append(what)
                    restore(before[what])
        if any(sys.modules.get(name) is not module for name, module in modules.items()):  # more of them are welcome
            changed.append(f"the modules of {PROJECT}")
            for name in _own_modules():
                del sys.modules[name]
            sys.modules.update(modules)
        if changed:
            notes.append(f"changes {', '.join(changed)}; this is undone")
        if set(threading.enumerate()) - threads:
            notes.append(THREAD)


@contextmanager
def off_standard_output() -> Iterator[None]:
    """What the block prints goes to standard error: Python's own output and that of compiled code."""
    with redirect_stdout(sys.stderr):
        try:
            output = os.dup(1)
            os.dup2(2, 1)
        except OSError:  # closed: nothing can be printed there
            yield
            return
        try:
            yield
        finally:
            with suppress(Exception):
                sys.__stdout__.flush()  # type: ignore[union-attr]
            os.dup2(output, 1)
            os.close(output)
