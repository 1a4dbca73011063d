"""JSON Schema of recipes, with the options of the installed components, so that editors complete and check them."""

from __future__ import annotations

from typing import Any

from .evaluate.config import EXTRACTORS
from .plugins import Registry
from .recipe import Choice, Data, Sections
from .specs import KINDS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def recipe_schema(registry: Registry) -> dict[str, Any]:
    """The schema of a whole recipe. A component is one of those installed, with its own options."""
    schema = Sections.model_json_schema(by_alias=True)
    definitions = schema.setdefault("$defs", {})

    def options(title: str, base: type[Choice], names: list[str], model: Any) -> dict[str, Any]:
        """One component's table: the host's keys, with its options beside them."""
        own = model.model_json_schema(by_alias=True)
        definitions.update(own.pop("$defs", {}))
        host = base.model_json_schema(by_alias=True)
        return {
            "title": title,
            "type": "object",
            "properties": {**host["properties"], "name": {"enum": names}, **own.get("properties", {})},
            "required": [*host["required"], *own.get("required", [])],
            "additionalProperties": False,
        }

    for kind in KINDS:
        choices = [
            options(
                component.full_name,
                Data if kind == "dataset" else Choice,
                [component.name, component.full_name],
                component.spec.config,
            )
            for component in registry.components(kind)
        ]
        definitions[kind] = {"oneOf": choices}
    definitions["extractor"] = {"oneOf": [options(name, Choice, [name], model) for name, model in EXTRACTORS.items()]}

    properties = schema["properties"]
    for section in ("generator", "discriminator", "loss"):
        properties[section] = {"$ref": f"#/$defs/{section}"}
    properties["data"] = {"$ref": "#/$defs/dataset"}
    properties["metrics"]["items"] = {"$ref": "#/$defs/metric"}
    definitions["Evaluation"]["properties"]["extractor"] = {"$ref": "#/$defs/extractor"}
    return {"$schema": DIALECT, "title": "cganzoo recipe", **{k: v for k, v in schema.items() if k != "title"}}
