"""JSON Schema of recipes, with the options of the installed components, so that editors complete and check them."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from cganzoo.config import Config
from cganzoo.registry import Registry
from cganzoo.specs import KINDS

from .extractors import EXTRACTORS
from .read import Choice, Data, Sections

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NOTHING_FITS: dict[str, Any] = {"not": {}}  # "oneOf" may not be empty


def recipe_schema(registry: Registry) -> dict[str, Any]:
    """The schema of a whole recipe. A component is one of those installed, with its own options."""
    options = [component.spec.config for component in registry.components()]
    models: list[type[Config]] = [Sections, Choice, Data, *options, *EXTRACTORS.values()]
    # All at once, so that equal class names of two plugins become two definitions.
    references, document = models_json_schema([(model, "validation") for model in dict.fromkeys(models)], by_alias=True)
    definitions = document["$defs"]

    def definition(model: type[Config]) -> dict[str, Any]:
        found: dict[str, Any] = definitions[references[model, "validation"]["$ref"].removeprefix("#/$defs/")]
        return found

    def table(title: str, host: type[Choice], names: list[str], config: type[Config]) -> dict[str, Any]:
        """One component's table: the host's keys, with its options beside them."""
        own, beside = definition(config), definition(host)
        return {
            "title": title,
            "type": "object",
            "properties": {**beside["properties"], "name": {"enum": names}, **own.get("properties", {})},
            "required": list(dict.fromkeys([*beside["required"], *own.get("required", [])])),
            "additionalProperties": False,
        }

    for kind in KINDS:
        host = Data if kind == "dataset" else Choice
        tables = [
            table(component.full_name, host, [component.name, component.full_name], component.spec.config)
            for component in registry.components(kind)
        ]
        definitions[kind] = {"oneOf": tables} if tables else NOTHING_FITS
    definitions["extractor"] = {"oneOf": [table(name, Choice, [name], model) for name, model in EXTRACTORS.items()]}

    sections = definition(Sections)
    properties = sections["properties"]
    for section in ("generator", "discriminator", "loss"):
        properties[section] = {"$ref": f"#/$defs/{section}"}
    properties["data"] = {"$ref": "#/$defs/dataset"}
    properties["metrics"]["items"] = {"$ref": "#/$defs/metric"}
    definitions["Evaluation"]["properties"]["extractor"] = {"$ref": "#/$defs/extractor"}
    return {**sections, "$schema": DIALECT, "title": "cganzoo recipe", "$defs": definitions}
