"""Names that several distributions use, and what to write or to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

PROJECT = "cganzoo"


def clashes(inventory: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Components, entry points and modules that more than one distribution has, with what to do.

    Args:
        inventory: as :func:`cganzoo.registry.probe.inspect` makes it, or its ``components`` and ``plugins``.
    """

    def shared(entries: Iterable[dict[str, Any]], *keys: str) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
        groups: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
        for entry in entries:
            groups.setdefault(tuple(entry[key] for key in keys), {})[entry["distribution"]] = entry
        for names, group in groups.items():
            if len(group) > 1:
                yield names, sorted(group.values(), key=lambda entry: entry["distribution"])

    for (kind, name), group in shared(inventory["components"], "kind", "component"):
        full_names = [entry["full_name"] for entry in group]
        if any(entry["distribution"] == PROJECT for entry in group):
            others = " or ".join(f'"{name}"' for name in full_names if not name.startswith(f"{PROJECT}/"))
            advice = f'"{name}" means the one of {PROJECT} itself; for the other write {others}'
        else:
            advice = "write " + " or ".join(f'"{name}"' for name in full_names)
        yield _clash(kind, name, group, advice)
    loaded = [entry for entry in inventory["plugins"] if entry["entry_point"]]
    for (name,), group in shared(loaded, "entry_point"):
        yield _clash("entry point", name, group, "each is loaded all the same")
    for (name,), group in shared(loaded, "module"):
        yield _clash("module", name, group, "which code is there depends on what was installed last; uninstall one")


def _clash(what: str, name: str, group: list[dict[str, Any]], advice: str) -> dict[str, Any]:
    providers = [f"{entry['distribution']} {entry['version']}" for entry in group]
    return {"what": what, "name": name, "providers": providers, "advice": advice}
