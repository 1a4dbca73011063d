"""Checks whether methods are compared under the same conditions, and lists their differences. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cganzoo._util.text import shortened
from cganzoo.evaluate.protocol import with_fingerprints
from cganzoo.recipe.digests import PLACES
from cganzoo.registry.kinds import KINDS

from .matrix import Method, shared_values

EXPECTED = frozenset({"loss", "requires"})
"""Sections in which methods differ because they are different methods."""
ORDERS = frozenset(f"{kind.recipe_table}.order" for kind in KINDS.values() if kind.repeats)
ABSENT = "-"


def differences(methods: Sequence[Method]) -> list[dict[str, Any]]:
    """Each dotted key whose values differ between the resolved recipes, with the JSON value of each method.

    A table in a list that some methods lack is one value. Unexpected differences come first.
    """
    recipes = {method.name: _comparable(method.values) for method in methods}
    whole = _only_in_some(list(recipes.values()))
    flat = {name: dict(_flat(values, whole=whole)) for name, values in recipes.items()}
    found = []
    for key in dict.fromkeys(key for values in flat.values() for key in values):
        values = {name: values.get(key, ABSENT) for name, values in flat.items()}
        # A method with fewer tables has no order; which tables it lacks is a difference of its own.
        compared = set(values.values()) - ({ABSENT} if key in ORDERS else set())
        if len(compared) > 1:
            found.append({"key": key, "values": values, "expected": key.partition(".")[0] in EXPECTED})
    return sorted(found, key=lambda difference: difference["expected"])


def _comparable(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a recipe without the seed and the paths of files. Tables in a list are in a dict by name."""
    data = {key: value for key, value in values["data"].items() if key not in PLACES}
    lists = [kind for kind in KINDS.values() if kind.many and kind.recipe_table in shared_values(values)]
    by_name = {kind.recipe_table: _by_name(values[kind.recipe_table], ordered=kind.repeats) for kind in lists}
    return {**shared_values(values), "data": data, **by_name}


def _by_name(tables: Sequence[Mapping[str, Any]], *, ordered: bool) -> dict[str, Any]:
    """Tables by name; the second one of a name is ``name_2``. If ``ordered``, several have their order, too."""
    named: dict[str, Any] = {}
    for table in tables:
        count = sum(other["name"] == table["name"] for other in named.values())
        named[f"{table['name']}_{count + 1}" if count else table["name"]] = table
    return {**named, "order": list(named)} if ordered and len(named) > 1 else named


def _only_in_some(recipes: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """The keys of tables in a list that some recipes have, and others lack."""
    tables = {kind.recipe_table for kind in KINDS.values() if kind.many}
    keys = [{f"{table}.{name}" for table in tables for name in recipe.get(table, ())} for recipe in recipes]
    return frozenset(key for some in keys for key in some if not all(key in other for other in keys)) - ORDERS


def _flat(
    values: Mapping[str, Any], prefix: str = "", whole: frozenset[str] = frozenset()
) -> Iterator[tuple[str, str]]:
    """Dotted keys with JSON values; the tables with the keys ``whole`` are one value each."""
    for key, value in values.items():
        if isinstance(value, dict) and value and f"{prefix}{key}" not in whole:
            yield from _flat(value, f"{prefix}{key}.", whole)
        else:
            yield f"{prefix}{key}", json.dumps(value)


# --- conflicts: a message by the label of the method ------------------------------------------------------------------


def planned_conflicts(methods: Sequence[Method]) -> dict[str, str]:
    """Recipes that ask for other images or another evaluation than the first one."""
    planned = [(method.label, _comparable(method.values)) for method in methods]
    parts = ("data", "evaluation", "metrics")
    return measured_conflicts([(label, {part: values[part] for part in parts}) for label, values in planned])


def measured_conflicts(protocols: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """A message for each label whose protocol differs from the first protocol.

    The options of a metric are compared with those of the first label that has this metric. A method without the metric
    is no conflict: it leaves a gap in the table, and no wrong number.
    """
    first_with: dict[str, tuple[str, dict[str, str]]] = {}
    messages: dict[str, str] = {}
    for label, protocol in protocols:
        parts = {
            "": {key: value for key, value in protocol.items() if key not in ("metrics", "fingerprint", "fingerprints")}
        }
        parts |= {f"metrics.{name}.": options for name, options in protocol.get("metrics", {}).items()}
        found, others = [], dict[str, None]()
        for prefix, values in parts.items():
            mine = dict(_flat(values, prefix))
            other, theirs = first_with.setdefault(prefix, (label, mine))
            for key in dict.fromkeys([*theirs, *mine]):
                if mine.get(key) != theirs.get(key):
                    others[other] = None
                    here, there = (shortened(side.get(key, "absent")) for side in (mine, theirs))
                    found.append(f"{key} is {here}, and {there} for {other}")
        if found and label not in messages:
            more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
            names = " and ".join(others)
            messages[label] = f"{label} is scored differently from {names}: {'; '.join(found[:3])}{more}"
    return messages


def check_protocol(protocol: Mapping[str, Any]) -> None:
    """Raise an error of some kind if a protocol read from a file cannot be compared with others."""
    if not with_fingerprints(protocol)["fingerprints"]:
        raise ValueError("evaluation.protocol names no metric, so its scores may have been measured in any way")
    for _ in _flat(protocol):
        pass


def missing_metrics(methods: Sequence[Method]) -> list[str]:
    """A message for each metric that only some of the methods have."""
    messages = []
    for metric in dict.fromkeys(name for method in methods for name in sorted(method.metrics)):
        if without := [method.label for method in methods if metric not in method.metrics]:
            messages.append(f"{', '.join(without)}: not measured by {metric}, so the table has a dash there")
    return messages
