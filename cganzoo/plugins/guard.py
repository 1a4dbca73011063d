"""What belongs to the program and not to a plugin that is being loaded: put back afterwards, and told."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any


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


STATE: Mapping[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "the working directory": (_folder, os.chdir),
    "sys.path": (lambda: list(sys.path), _import_path),
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
    threads = set(threading.enumerate())
    try:
        yield notes
    finally:
        for what, (read, restore) in STATE.items():
            with suppress(Exception):  # what cannot be put back must not hide what the block did
                if read() != before[what]:
                    changed.append(what)
                    restore(before[what])
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
