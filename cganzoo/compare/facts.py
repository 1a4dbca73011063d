"""What a reader must see side by side before the scores: differences, sizes, schedules. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import fairness
from .gathering import Comparison
from .plan import Method
from .reading import Run

if TYPE_CHECKING:
    from .counting import Counted


def side_by_side(comparison: Comparison, counted: Mapping[str, Counted] | None = None) -> dict[str, Any]:
    """What differs between the recipes; parameters, images seen, optimizers and protocol of each method.

    Args:
        comparison: what is shown.
        counted: what is known of methods that have not been trained yet, by name.
    """
    methods = comparison.methods
    found = fairness.differences(methods)
    unexpected = [difference.key for difference in found if not difference.expected]
    notes = (
        [f"Beside [loss] and [requires], the recipes differ in: {', '.join(unexpected)}."]
        if unexpected
        else ["Beside [loss] and [requires], the recipes are the same."]
    )
    shown = _facts(comparison, counted)
    return {
        "differences": [{"key": d.key, "values": dict(d.values), "expected": d.expected} for d in found]
        if len(methods) > 1
        else [],
        "facts": [{"name": name, "values": values} for name, values in shown.items()],
        "notes": notes if len(methods) > 1 else [],
    }


def _facts(comparison: Comparison, counted: Mapping[str, Counted] | None) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for method in comparison.methods:
        runs = comparison.of(method)
        manifests = [run.manifest for run in runs]
        parameters: Mapping[str, int] = next(
            (manifest["parameters"] for manifest in manifests if manifest.get("parameters")),
            counted[method.name].parameters if counted and method.name in counted else {},
        )
        described = _describe(method, parameters)
        described["protocol"] = protocol_of(runs) or "-"
        described["device"] = _all(manifest.get("device") for manifest in manifests)
        described["torch"] = _all((manifest.get("versions") or {}).get("torch") for manifest in manifests)
        for name, value in described.items():
            found.setdefault(name, {})[method.name] = value
    return found


def protocol_of(runs: Iterable[Run]) -> str | None:
    """The fingerprint of how a method's runs were scored; several only where protocols are mixed."""
    found = {(run.manifest.get("protocol") or {}).get("fingerprint") for run in runs if run.last is not None}
    return ", ".join(sorted(filter(None, found))) or None


def _all(values: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(filter(None, values))) or "-"


def _describe(method: Method, parameters: Mapping[str, int]) -> dict[str, str]:
    train, optimizer = method.values["train"], method.values["optimizer"]
    seen = train["steps"] * train["batch_size"]
    of_discriminator = seen * train.get("discriminator_steps", 1)
    known = {"generator", "trunk", "objective"} <= set(parameters)
    return {
        "generator parameters": f"{parameters['generator']:,}" if known else "-",
        "discriminator parameters": f"{parameters['trunk'] + parameters['objective']:,}" if known else "-",
        "generator steps": f"{train['steps']:,}",
        "real images seen": f"{of_discriminator:,}",
        "generator's optimizer": _optimizer(optimizer["generator"]),
        "discriminator's optimizer": _optimizer(optimizer["discriminator"]),
        "average of weights (EMA)": str(train.get("ema_decay", "-")),
    }


def _optimizer(values: Mapping[str, Any]) -> str:
    rest = [f"{key} {_plain(value)}" for key, value in values.items() if key != "name" and value is not None]
    return ", ".join([str(values["name"]), *rest])


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items()) + ")"
    return str(value)
