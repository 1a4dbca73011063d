"""A component as plain data, for ``cganzoo plugins``: its options in words, and the properties of its kind."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from cganzoo._util.text import listed
from cganzoo._util.toml import written
from cganzoo.config import Config, Schedule, parse
from cganzoo.specs import DatasetSpec, ExtractorSpec, GeneratorSpec, LossSpec, MetricSpec, RegularizerSpec, Spec

from .registry import Component

Node = Mapping[str, Any]  # of a JSON Schema

NUMBER_OR_SCHEDULE = "number or schedule"
TYPES = {"number": "number", "integer": "whole number", "boolean": "true or false", "string": "text", "null": "nothing"}
BOUNDS = {
    "at least": ("minimum", "ge"),
    "above": ("exclusiveMinimum", "gt"),
    "at most": ("maximum", "le"),
    "below": ("exclusiveMaximum", "lt"),
}
EXAMPLES = {"number": 1.0, "integer": 1, "boolean": True, "string": "...", "array": [], "object": {}}


def describe(component: Component) -> dict[str, Any]:
    """Everything about a component, as plain data that another process can print."""
    spec, provider = component.spec, component.provider
    schema = component.json_schema
    described: dict[str, Any] = {
        "component": spec.name,
        "full_name": component.full_name,
        "kind": component.kind,
        "distribution": provider.distribution,
        "version": provider.version,
        "location": provider.location,
        "summary": spec.summary,
        "paper": spec.paper,
        "link": link(spec.paper),
        "options": list(_options(schema, schema.get("$defs", {}))),
        "host_options": list(_host_options(spec)),
    }
    if isinstance(spec, LossSpec):
        described["trains"] = _by_options(spec.config, schema, spec.conditioning)
    elif isinstance(spec, GeneratorSpec):
        words = {True: "conditional", False: "unconditional"}
        conditional = spec.conditional
        described["is"] = _by_options(spec.config, schema, lambda config: words[bool(conditional(config))])
    elif isinstance(spec, RegularizerSpec):
        described |= {"weight": spec.weight, "every": spec.every}
    elif isinstance(spec, MetricSpec):
        described["reference"] = spec.reference
        described["outputs"] = [
            {"name": output.name, "summary": output.summary, "higher_is_better": output.higher_is_better}
            for output in spec.outputs
        ]
    elif isinstance(spec, ExtractorSpec):
        described["argument"] = spec.argument
        described["options"] = [option for option in described["options"] if option["name"] != spec.argument]
    elif isinstance(spec, DatasetSpec):
        described |= {"image_size": spec.image_size, "channels": spec.channels}
        described["download"] = spec.archive and {"url": spec.archive.url, "size": spec.archive.size}
    return described


def link(paper: object) -> str | None:
    """The URL of a paper, from its arXiv id, DOI or https address; ``None`` for any other text."""
    if not isinstance(paper, str):
        return None
    if found := re.fullmatch(r"(?i)arxiv:\s*(\S+)", paper):
        return f"https://arxiv.org/abs/{found[1]}"
    if found := re.fullmatch(r"(?i)(?:doi:\s*|https?://doi\.org/)?(10\.\S+/\S+)", paper):
        return f"https://doi.org/{found[1]}"
    return paper if paper.startswith("https://") else None


def in_words(node: Node, definitions: Mapping[str, Node]) -> str:
    """The type of a JSON Schema node in words, such as ``whole number, at least 1``."""
    if "$ref" in node:
        target = _target(node, definitions)
        return "schedule" if target.get("title") == Schedule.__name__ else in_words(target, definitions)
    parts = node.get("anyOf") or node.get("oneOf")
    if parts:
        words = list(dict.fromkeys(in_words(part, definitions) for part in parts if part.get("type") != "null"))
        if "number" in words and "whole number" in words:
            words.remove("whole number")
        # The bounds of the number are also those of the schedule, so they follow both.
        if len(words) == 2 and words[0].startswith("number") and words[1] == "schedule":
            words = [NUMBER_OR_SCHEDULE + words[0].removeprefix("number")]
        text = " or ".join(words)
    elif "const" in node or "enum" in node:
        text = listed(map(written, _choices(node)))
    elif "prefixItems" in node:
        items = [in_words(item, definitions) for item in node["prefixItems"]]
        text = f"list of {len(items)}, each a {items[0]}" if len(set(items)) == 1 else f"list: {'; '.join(items)}"
    elif node.get("type") == "array":
        text = f"list of {in_words(node.get('items', {}), definitions)}"
    elif node.get("type") == "object":
        text = "table"
    else:
        text = TYPES.get(node.get("type", ""), "anything")
    bounds = [f"{words} {_number(node[key])}" for words, keys in BOUNDS.items() for key in keys if key in node]
    return ", ".join([text, *bounds])


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _choices(node: Node) -> list[Any]:
    """The values of an option that has only a few possible values; otherwise an empty list."""
    choices: list[Any] = [node["const"]] if "const" in node else node.get("enum", [])
    return choices


def _target(node: Node, definitions: Mapping[str, Node]) -> Node:
    return definitions[node["$ref"].removeprefix("#/$defs/")] if "$ref" in node else node


def _options(table: Node, definitions: Mapping[str, Node], prefix: str = "") -> Iterator[dict[str, Any]]:
    """Each option; options of a nested table follow it, with dotted names as in TOML."""
    for name, node in table.get("properties", {}).items():
        target = _target(node, definitions)
        required = name in table.get("required", ())
        yield {
            "name": prefix + name,
            "type": in_words(node, definitions),
            "required": required,
            "default": node.get("default"),
            "description": node.get("description", ""),
            **({"example": _example(node, definitions)} if required else {}),
        }
        if "properties" in target and prefix.count(".") < 3:  # tables may be recursive
            yield from _options(target, definitions, f"{prefix}{name}.")


def _host_options(spec: Spec) -> Iterator[dict[str, Any]]:
    """The keys that the host keeps in the component's table of a recipe, with their defaults for this component."""
    defaults = spec.complete(spec.table.model_construct(name=spec.name))
    for option in _options_of_table(spec.table):
        if option["name"] != "name":
            yield {**option, "default": getattr(defaults, option["name"], None)}


@functools.cache
def _options_of_table(table: type[Config]) -> tuple[dict[str, Any], ...]:
    schema = table.model_json_schema()
    return tuple(_options(schema, schema.get("$defs", {})))


def _example(node: Node, definitions: Mapping[str, Node]) -> Any:
    """An example value for a required option, which the user replaces."""
    node = _target(node, definitions)
    if parts := node.get("anyOf") or node.get("oneOf"):
        return _example(parts[0], definitions)
    if choices := _choices(node):
        return choices[0]
    return node.get("minimum", EXAMPLES.get(node.get("type", "")))


def _by_options(config: type[Config], schema: Node, property_of: Callable[[Any], str]) -> dict[str, str] | None:
    """A property with the default options (key ``""``) and with each choice that changes it.

    ``None`` if an option has no default.
    """
    try:
        by_default = property_of(parse(config, {}))
    except ValidationError:
        return None
    found = {"": by_default}
    for name, node in schema.get("properties", {}).items():
        for choice in [True, False] if node.get("type") == "boolean" else _choices(node):
            try:
                value = property_of(parse(config, {name: choice}))
            except ValidationError:  # not valid without another option
                continue
            if value != by_default:
                found[f"{name} = {written(choice)}"] = value
    return found
