"""JSON Schema of recipes with the options of the installed components, for completion and checks in editors."""

from __future__ import annotations

import re
from typing import Any

from pydantic.json_schema import models_json_schema

from cganzoo.config import Config
from cganzoo.registry import KINDS, Component, Registry

from .keys import ALL_SECTIONS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def recipe_schema(registry: Registry) -> dict[str, Any]:
    """The schema of a recipe, in which each component is an installed one with its own options."""
    models: dict[type[Config], None] = {ALL_SECTIONS: None}
    models |= dict.fromkeys(kind.spec.table for kind in KINDS.values())
    models |= dict.fromkeys(component.spec.config for component in registry.components())
    # All in one call, so that classes of the same name from two plugins get two definitions.
    references, document = models_json_schema([(model, "validation") for model in models], by_alias=True)
    definitions = document["$defs"]

    def definition(model: type[Config]) -> dict[str, Any]:
        found: dict[str, Any] = definitions[references[model, "validation"]["$ref"].removeprefix("#/$defs/")]
        return found

    def table(component: Component) -> dict[str, Any]:
        """The table of one component: the host's keys and the component's options."""
        host, own = definition(component.spec.table), definition(component.spec.config)
        properties, required = dict(own.get("properties", {})), own.get("required", [])
        name: dict[str, Any] = {"enum": [component.name, component.full_name]}
        if argument := getattr(component.spec, "argument", None):
            written = "|".join(map(re.escape, name["enum"]))
            name = {
                "type": "string",
                "pattern": f"^({written})/.+$",
                "description": properties[argument].get("description", ""),
            }
            del properties[argument]
            required = [key for key in required if key != argument]
        return {
            "title": component.full_name,
            "type": "object",
            "properties": {**host["properties"], "name": name, **properties},
            "required": list(dict.fromkeys([*host["required"], *required])),
            "additionalProperties": False,
        }

    for kind in KINDS.values():
        tables = [table(component) for component in registry.components(kind.name)]
        found: dict[str, Any] = {"oneOf": tables} if tables else {"not": {}}  # "oneOf" may not be empty
        definitions[kind.name] = found
        *path, key = kind.recipe_table.split(".")
        section = definition(ALL_SECTIONS)
        for step in path:
            section = definitions[section["properties"][step]["$ref"].removeprefix("#/$defs/")]
        reference = {"$ref": f"#/$defs/{kind.name}"}
        section["properties"][key] = {**section["properties"][key], "items": reference} if kind.many else reference
    return {**definition(ALL_SECTIONS), "$schema": DIALECT, "title": "cganzoo recipe", "$defs": definitions}
