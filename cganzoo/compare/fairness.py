"""Whether methods are compared under the same conditions, and in what they differ. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cganzoo._util.text import shortened
from cganzoo.evaluate.protocol import common_fingerprint

from .matrix import Method, shared_values
from .read import Run

if TYPE_CHECKING:
    from .comparison import Comparison
    from .train import Untrained

EXPECTED = frozenset({"loss", "requires"})
"""Sections in which methods differ because they are different methods."""
PLACES = ("root", "download")
"""Options of a data set that say where its files are, not what they are."""
ABSENT = "-"


def differences(methods: Sequence[Method]) -> list[dict[str, Any]]:
    """Every dotted key in which the resolved recipes differ, with its JSON values by method, the unexpected first."""
    flat = {method.name: dict(_flat(_comparable(method.values))) for method in methods}
    found = []
    for key in dict.fromkeys(key for values in flat.values() for key in values):
        values = {name: values.get(key, ABSENT) for name, values in flat.items()}
        if len(set(values.values())) > 1:
            found.append({"key": key, "values": values, "expected": key.partition(".")[0] in EXPECTED})
    return sorted(found, key=lambda difference: difference["expected"])


def _comparable(values: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's values without the seed and the places of files; metrics by their names."""
    data = {key: value for key, value in values["data"].items() if key not in PLACES}
    return {**shared_values(values), "data": data, "metrics": {metric["name"]: metric for metric in values["metrics"]}}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value)


# --- conflicts: a message by the label of the method ------------------------------------------------------------------


def planned_conflicts(methods: Sequence[Method]) -> dict[str, str]:
    """Recipes that ask for other images or another evaluation than the first one."""
    planned = [(method.label, _comparable(method.values)) for method in methods]
    parts = ("data", "evaluation", "metrics")
    return measured_conflicts([(label, {part: values[part] for part in parts}) for label, values in planned])


def measured_conflicts(protocols: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Labels with a protocol, of a recipe or of a run, that differs from the first one.

    Options of a metric are compared with the first method that has it: a metric that one method has and another has not
    leaves a gap in the table, and no wrong number.
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


def image_conflicts(comparison: Comparison, untrained: Mapping[str, Untrained]) -> dict[str, str]:
    """Methods that are trained on other images than the first one. Recipes only say where images are."""
    fingerprints = {}
    for method in comparison.methods:
        known = [run.manifest.data.fingerprint for run in comparison.of(method)]
        if method.name in untrained:
            known = [untrained[method.name].images]
        if found := next(filter(None, known), None):
            fingerprints[method.label] = found
    first = next(iter(fingerprints), "")
    return {
        label: f"{label} is trained on other images than {first}"
        for label, fingerprint in fingerprints.items()
        if fingerprint != fingerprints[first]
    }


def missing_metrics(methods: Sequence[Method]) -> list[str]:
    """A message for each metric that only some of the methods have."""
    messages = []
    for metric in dict.fromkeys(name for method in methods for name in sorted(method.metrics)):
        if without := [method.label for method in methods if metric not in method.metrics]:
            messages.append(f"{', '.join(without)}: not measured by {metric}, so the table has a dash there")
    return messages


# --- the section of the report --------------------------------------------------------------------------------------


def side_by_side(comparison: Comparison, untrained: Mapping[str, Untrained] | None = None) -> dict[str, Any]:
    """Differences of the recipes; parameters, images, optimizers and protocol of each method. JSON values."""
    methods = comparison.methods
    found = differences(methods)
    unexpected = [difference["key"] for difference in found if not difference["expected"]]
    result = f"differ in: {', '.join(unexpected)}" if unexpected else "are the same"
    properties = {method.name: _properties(method, comparison.of(method), untrained or {}) for method in methods}
    names = next(iter(properties.values()))
    return {
        "differences": found,
        "facts": [{"name": name, "values": {key: row[name] for key, row in properties.items()}} for name in names],
        "notes": [f"Outside [loss] and [requires], the recipes {result}."] if len(methods) > 1 else [],
    }


def _properties(method: Method, runs: Sequence[Run], untrained: Mapping[str, Untrained]) -> dict[str, str]:
    manifests = [run.manifest for run in runs]
    parameters = next((manifest.parameters for manifest in manifests if manifest.parameters), {})
    if not parameters and method.name in untrained:
        parameters = untrained[method.name].parameters
    generator = discriminator = ABSENT
    if {"generator", "trunk", "objective"} <= set(parameters):
        generator = f"{parameters['generator']:,}"
        discriminator = f"{parameters['trunk'] + parameters['objective']:,}"
    train, optimizer = method.values["train"], method.values["optimizer"]
    return {
        "generator parameters": generator,
        "discriminator parameters": discriminator,
        "generator steps": f"{train['steps']:,}",
        "real images seen": f"{train['steps'] * train['batch_size'] * train['discriminator_steps']:,}",
        "generator's optimizer": _optimizer(optimizer["generator"]),
        "discriminator's optimizer": _optimizer(optimizer["discriminator"]),
        "average of weights (EMA)": str(train["ema_decay"]),
        "protocol": protocol_of(runs) or ABSENT,
        "device": _joined(manifest.device for manifest in manifests),
        "torch": _joined(manifest.versions.torch for manifest in manifests),
    }


def protocol_of(runs: Iterable[Run]) -> str | None:
    """The fingerprint of how runs were scored, without their metrics; several, with commas, if they differ."""
    return ", ".join(sorted({common_fingerprint(run.protocol) for run in runs if run.protocol})) or None


def _joined(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(filter(None, values))) or ABSENT


def _optimizer(values: Mapping[str, Any]) -> str:
    rest = [f"{key} {_plain(value)}" for key, value in values.items() if key != "name"]
    return ", ".join([str(values["name"]), *rest])


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items()) + ")"
    return str(value)
