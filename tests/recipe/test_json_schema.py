"""The JSON Schema of recipes says what the reader accepts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field, create_model

from cganzoo import Config, LossSpec
from cganzoo.objective import Objective
from cganzoo.recipe.json_schema import recipe_schema
from cganzoo.recipe.keys import ALL_SECTIONS
from cganzoo.registry import Component, Plugin, Registry, load_plugins

SCHEMA = recipe_schema(load_plugins(["cganzoo-amgan", "cganzoo-dcgan"]))


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for below in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(below)


def table(kind: str, name: str, schema: dict[str, Any] = SCHEMA) -> dict[str, Any]:
    (found,) = [one for one in schema["$defs"][kind]["oneOf"] if name in one["properties"]["name"].get("enum", ())]
    return dict(found)


def test_every_reference_leads_somewhere() -> None:
    references = {node["$ref"] for node in nodes(SCHEMA) if "$ref" in node}
    assert references >= {"#/$defs/generator", "#/$defs/dataset", "#/$defs/metric", "#/$defs/extractor"}
    assert {reference.removeprefix("#/$defs/") for reference in references} <= SCHEMA["$defs"].keys()


def test_every_section_is_there_and_no_other_key() -> None:
    assert SCHEMA["properties"].keys() == ALL_SECTIONS.model_fields.keys()
    assert SCHEMA["required"] == ["data", "generator", "discriminator", "loss", "optimizer", "train"]
    assert SCHEMA["additionalProperties"] is False
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_a_component_has_the_hosts_keys_and_its_own() -> None:
    digits = table("dataset", "digits")
    assert digits["properties"].keys() == {"name", "image_size", "channels", "flip", "shift", "test_fraction"}
    assert digits["required"] == ["name", "image_size"]
    assert table("dataset", "folder")["required"] == ["name", "image_size", "root"]
    amgan = table("loss", "cganzoo-amgan/amgan")
    assert amgan == table("loss", "amgan")
    assert amgan["properties"]["labeling"]["enum"] == ["predefined", "dynamic"]
    assert amgan["additionalProperties"] is False
    assert "epochs" in table("extractor", "classifier")["properties"]
    schedule = SCHEMA["$defs"]["Schedule"]
    assert "from" in schedule["properties"], "as a recipe spells it"
    assert "start" not in schedule["properties"]


def test_every_option_has_a_description_for_the_editor() -> None:
    for kind in ("generator", "discriminator", "loss", "dataset", "extractor"):
        for one in SCHEMA["$defs"][kind]["oneOf"]:
            for name, option in one["properties"].items():
                assert name == "name" or option["description"], f"{one['title']}: {name}"


def test_a_regularizer_has_a_weight_and_an_interval_and_may_be_one_of_several() -> None:
    schema = recipe_schema(load_plugins(["cganzoo-regularizers", "cganzoo-augment"]))
    r1 = table("regularizer", "r1", schema)
    assert {"name", "weight", "every"} <= r1["properties"].keys()
    assert r1["required"] == ["name"]
    assert schema["properties"]["regularizers"]["items"] == {"$ref": "#/$defs/regularizer"}
    assert schema["properties"]["augmentations"]["items"] == {"$ref": "#/$defs/augmentation"}
    augmentation = table("augmentation", "diffaugment", schema)
    assert augmentation["properties"].keys() > {"name"}
    assert "weight" not in augmentation["properties"]


def test_a_kind_that_nothing_installed_provides_accepts_nothing() -> None:
    assert SCHEMA["$defs"]["metric"] == {"not": {}}


def test_equal_class_names_of_two_plugins_stay_apart() -> None:
    def loss(name: str) -> Component:
        inner = create_model("Inner", __base__=Config, __module__=name, **{f"of_{name}": (int, 1)})  # type: ignore[call-overload]
        outer = create_model("Outer", __base__=Config, __module__=name, inner=(inner, Field(description="Nested.")))
        spec: LossSpec[Any] = LossSpec(name=name, summary="A loss", config=outer, build=lambda *_: Objective())
        return Component(kind="loss", spec=spec, provider=provider)

    provider = load_plugins([]).plugins[0].provider
    plugin = Plugin(
        provider=provider, components=(loss("one"), loss("other")), failures=(), seconds=0, imported_torch=False
    )
    schema = recipe_schema(Registry((plugin,)))
    for name in ("one", "other"):
        reference = table("loss", name, schema)["properties"]["inner"]["$ref"].removeprefix("#/$defs/")
        assert schema["$defs"][reference]["properties"].keys() == {f"of_{name}"}
