"""Whether methods stand side by side under the same conditions, and in what they differ. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .plan import Method, without_seed

EXPECTED = frozenset({"loss", "requires"})
"""Sections in which methods differ because they are different methods."""
PLACES = ("root", "download")
"""Options of a data set that say where it lies, not what it is."""


@dataclass(frozen=True)
class Difference:
    """A key of the recipes that is not the same in all.

    Attributes:
        key: dotted.
        values: as TOML would write them, by the method's name; ``"-"`` where it is absent.
        expected: whether methods differ there because they are different methods.
    """

    key: str
    values: Mapping[str, str]
    expected: bool


def differences(methods: Sequence[Method]) -> list[Difference]:
    """Every key in which the resolved recipes differ, the unexpected ones first."""
    flat = {method.name: dict(_flat(_comparable(method.values))) for method in methods}
    keys = list(dict.fromkeys(key for values in flat.values() for key in values))
    found = []
    for key in keys:
        values = {name: values.get(key, "-") for name, values in flat.items()}
        if len(set(values.values())) > 1:
            found.append(Difference(key, values, key.partition(".")[0] in EXPECTED))
    return sorted(found, key=lambda difference: difference.expected)


def _comparable(values: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's values but its seed and where its images lie; a list of components by their names."""
    kept = without_seed(values)
    data = {key: value for key, value in kept["data"].items() if key not in PLACES}
    metrics = {metric["name"]: metric for metric in kept.get("metrics", [])}
    return {**kept, "data": data, "metrics": metrics}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value)


# --- protocols ------------------------------------------------------------------------------------------------------


def planned_conflicts(methods: Sequence[Method]) -> list[str]:
    """Where the recipes ask for other images or another evaluation than the first one: one sentence a method."""
    return _conflicts([(method.label, _planned(method.values)) for method in methods])


def measured_conflicts(protocols: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Where scores were measured in another way than the first ones: one sentence a method.

    Args:
        protocols: the label of a method and the protocol of one of its runs, in order.
    """
    return _conflicts(
        [(label, {k: v for k, v in protocol.items() if k != "fingerprint"}) for label, protocol in protocols]
    )


def _planned(values: Mapping[str, Any]) -> dict[str, Any]:
    kept = _comparable(values)
    metrics = {name: {k: v for k, v in metric.items() if k != "name"} for name, metric in kept["metrics"].items()}
    return {"data": kept["data"], "evaluation": kept.get("evaluation", {}), "metrics": metrics}


def _conflicts(protocols: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Each protocol against the first; a metric's options against the first that has the metric.

    A metric that one method has and another has not leaves a gap in the table, and no wrong number.
    """
    first_with: dict[str, tuple[str, dict[str, str]]] = {}
    sentences: dict[str, str] = {}
    for label, protocol in protocols:
        parts = {"": {key: value for key, value in protocol.items() if key != "metrics"}}
        parts |= {f"metrics.{name}.": options for name, options in protocol.get("metrics", {}).items()}
        found, others = [], dict.fromkeys([label])
        for prefix, values in parts.items():
            mine = dict(_flat(values, prefix))
            other, theirs = first_with.setdefault(prefix, (label, mine))
            for key in dict.fromkeys([*theirs, *mine]):
                if mine.get(key) != theirs.get(key):
                    others[other] = None
                    here, there = (_short(side.get(key, "absent")) for side in (mine, theirs))
                    found.append(f"{key} is {here}, of {other} {there}")
        if found:
            more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
            names = " and ".join(name for name in others if name != label) or label
            sentences.setdefault(
                label, f"{label} is measured in another way than {names}: {'; '.join(found[:3])}{more}"
            )
    return list(sentences.values())


def image_conflicts(fingerprints: Sequence[tuple[str, str]]) -> list[str]:
    """Which methods are trained on other images than the first one: one sentence each.

    Args:
        fingerprints: the label of a method and the fingerprint of its training images, in order.
    """
    return [
        f"{label} is measured in another way than {fingerprints[0][0]}: their training images are not the same"
        for label, fingerprint in fingerprints[1:]
        if fingerprint != fingerprints[0][1]
    ]


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def missing_metrics(methods: Sequence[Method]) -> list[str]:
    """Metrics that some of the methods are measured by and others are not: one sentence each."""
    named = {method.label: {metric["name"] for metric in method.values.get("metrics", [])} for method in methods}
    sentences = []
    for metric in dict.fromkeys(name for method in methods for name in sorted(named[method.label])):
        without = [label for label, metrics in named.items() if metric not in metrics]
        if without:
            sentences.append(f"{', '.join(without)}: not measured by {metric}, so there is a dash in its place")
    return sentences
