"""The choices that a component's options leave open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cganzoo.config import Config


def variants(model: type[Config]) -> list[dict[str, Any]]:
    """The defaults, ``{}``, and each other choice of each option that has named ones or is true or false."""
    found: list[dict[str, Any]] = [{}]
    for name, values, branches in _options(model):
        choices: list[Any] = next((branch["enum"] for branch in branches if "enum" in branch), [])
        if any(branch.get("type") == "boolean" for branch in branches):
            choices = [False, True]
        found += [{name: choice} for choice in choices if choice != values.get("default")]
    return found


def schedulable(model: type[Config]) -> list[str]:
    """The options that take a number or a schedule."""
    return [name for name, values, _ in _options(model) if "'#/$defs/Schedule'" in repr(values)]


def _options(model: type[Config]) -> Iterator[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    """Each option's name, its part of the JSON Schema, and what it may be."""
    schema = model.model_json_schema()
    for name, values in schema.get("properties", {}).items():
        branches = [values, *values.get("anyOf", [])]
        yield (
            name,
            values,
            [schema["$defs"][b["$ref"].rpartition("/")[2]] if "$ref" in b else b for b in branches],
        )
