"""A pytest plugin: after the tests, it lists the checked components and how many checks passed or failed."""

from __future__ import annotations

from collections import Counter
from typing import Any

COUNTED = ("passed", "failed", "xfailed", "skipped")


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Store the kind and name of the component in each test of a conformance class."""
    for item in items:
        kind, name = (getattr(getattr(item, "cls", None), key, None) for key in ("kind", "name"))
        if isinstance(kind, str) and isinstance(name, str) and hasattr(item.cls, "number_of_checks"):
            item.user_properties.append(("cganzoo", f"{kind} {name}"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print one line for each component."""
    counts: dict[str, Counter[str]] = {}
    for outcome in COUNTED:
        for report in terminalreporter.stats.get(outcome, []):
            for key, component in getattr(report, "user_properties", []):
                if key == "cganzoo":
                    counts.setdefault(component, Counter())[outcome] += 1
    if not counts:
        return
    terminalreporter.section("cganzoo conformance")
    for component, count in counts.items():
        numbers = ", ".join(f"{count[outcome]} {outcome}" for outcome in COUNTED if count[outcome])
        terminalreporter.write_line(f"{component}: {sum(count.values())} checks: {numbers}")
