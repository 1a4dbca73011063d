"""The methods side by side: their images, parameters, optimizers and protocols. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cganzoo.evaluate.protocol import common_fingerprint

from .comparison import Comparison
from .fairness import ABSENT, differences
from .matrix import Method
from .read import Run

if TYPE_CHECKING:
    from .train import Untrained


def image_conflicts(comparison: Comparison, untrained: Mapping[str, Untrained]) -> dict[str, str]:
    """Methods whose training images differ from those of the first method. Recipes only say where the images are."""
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
        "average of weights (EMA)": _average(train),
        "protocol": protocol_of(runs) or ABSENT,
        "device": _joined(manifest.device for manifest in manifests),
        "torch": _joined(manifest.versions.torch for manifest in manifests),
    }


def protocol_of(runs: Iterable[Run]) -> str | None:
    """The fingerprint of the protocol of runs, without metrics. Different fingerprints are separated by commas."""
    return ", ".join(sorted({common_fingerprint(run.protocol) for run in runs if run.protocol})) or None


def _joined(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(filter(None, values))) or ABSENT


def _average(train: Mapping[str, Any]) -> str:
    if "ema_half_life" in train:
        return f"half-life of {_plain(train['ema_half_life'])} images"
    return _plain(train["ema_decay"])


def _optimizer(values: Mapping[str, Any]) -> str:
    rest = [f"{key} {_plain(value)}" for key, value in values.items() if key != "name"]
    return ", ".join([str(values["name"]), *rest])


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items()) + ")"
    return str(value)
