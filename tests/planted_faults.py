"""The planted faults of the conformance kits: which of them run all checks by default."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

EACH = 4
"""Each of so many faults runs all checks by default."""


def cases(names: Iterable[str]) -> list[object]:
    """Parameters ``(name, whole)`` of a test of each fault.

    ``whole``: all checks run, so the test also shows that no other check fails. By default this is done for some
    faults; for the others, only the checks that must fail run, and the slow tests run the rest.
    """
    found: list[object] = []
    for number, name in enumerate(names):
        if number % EACH == 0:
            found.append(pytest.param(name, True, id=name))
        else:
            found.append(pytest.param(name, False, id=name))
            found.append(pytest.param(name, True, id=f"{name}-all_checks", marks=pytest.mark.slow))
    return found
