"""`cganzoo plugins NAME`: the page of a component, and the lines for a recipe."""

from __future__ import annotations

import copy
import functools
import json
import re
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from rich.console import Console

from cganzoo import BuildContext, Config, LossSpec, Scalar, at_least
from cganzoo._util.toml import tomllib, written
from cganzoo.cli.plugin_list import show_plugins
from cganzoo.console.streams import printable
from cganzoo.errors import PluginError
from cganzoo.recipe import bundled
from cganzoo.recipe.read import parse_recipe
from cganzoo.recipe.resolve import resolve
from cganzoo.registry import KINDS, Component, Provider, probe
from cganzoo.registry.description import describe, in_words, link
from cganzoo.registry.probe import Inventory


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    return probe.inspect()


@pytest.fixture
def page(inventory: Inventory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """``page(name, width=80)``: what `cganzoo plugins NAME` prints; ``as_json``: what it means."""

    def shown(name: str | None = None, *, width: int = 80, as_json: bool = False) -> Any:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(
            "cganzoo.cli.plugin_list.stdout_console", functools.partial(Console, force_terminal=True, color_system=None)
        )
        monkeypatch.setattr("cganzoo.cli.plugin_list.inspect", lambda waiting: copy.deepcopy(inventory))
        show_plugins(name, as_json=as_json)
        out = capsys.readouterr().out
        return json.loads(out) if as_json else "\n".join(line.rstrip() for line in out.splitlines())

    return shown


def names() -> list[tuple[str, str]]:
    return [(entry["kind"], entry["full_name"]) for entry in probe.inspect()["components"]]


ALL = names()


def test_a_loss(page: Any) -> None:
    text = page("amgan")
    assert text.startswith("amgan  loss\nK + 1 classes in the discriminator; each sample is pushed to one real class\n")
    assert "cganzoo-amgan 0.1.0," in text
    assert 'conditional generators; unconditional generators with labeling = "dynamic"' in " ".join(text.split())
    assert "paper    https://arxiv.org/abs/1703.02000" in text
    assert "amgan_cifar10, amgan_digits" in text
    assert 'labeling  "predefined"  "predefined" or "dynamic"\n    ' in text
    assert text.endswith('    [requires]\n    plugins = ["cganzoo-amgan"]\n\n    [loss]\n    name = "amgan"')


def test_a_loss_for_any_generator(page: Any) -> None:
    assert "conditional and unconditional generators" in page("labelgan")


def test_schedules_and_bounds(page: Any) -> None:
    text = page("ecgan")
    assert "alpha          1.0       number or schedule, at least 0\n    Weight of the unconditional terms" in text
    assert "temperature    1.0       number or schedule, above 0" in text
    assert "embedding_dim  512       whole number, at least 1" in text
    assert "A schedule is written {" in text
    assert "schedule" not in page("fid")


def test_a_metric_and_its_table_of_options(page: Any) -> None:
    text = page("cas")
    assert "reference  test split" in text
    assert "cas       higher  Share of test images classified right" in text
    assert "classifier.learning_rate  0.1          number, above 0" in text
    assert "[[metrics]]" in text
    assert "fid      lower   Squared" in page("fid")
    assert "It has no options." in page("fid")


def test_a_data_set_of_the_host(page: Any) -> None:
    text = page("folder")
    assert "root           required  text" in text
    assert "[requires]" not in text
    assert 'image_size = 64\n    root = "..."  # yours' in text
    assert "gray" in page("digits")
    assert "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz (170 MB)" in page("cifar10")


def test_a_regularizer_and_its_weight(page: Any) -> None:
    text = page("r1")
    assert text.startswith("r1  regularizer\n")
    assert "Every regularizer has:" in text
    assert "weight  10.0     number or schedule, at least 0\n    Factor of its terms" in text
    assert "every   1        whole number, at least 1" in text
    assert text.endswith('\n    [[regularizers]]\n    name = "r1"\n    weight = 10.0')
    (entry,) = page("r1", as_json=True)["components"]
    assert (entry["weight"], entry["every"]) == (10.0, 1)
    assert [(option["name"], option["default"]) for option in entry["host_options"]] == [("weight", 10.0), ("every", 1)]


def test_an_augmentation(page: Any) -> None:
    text = page("diffaugment")
    assert text.startswith("diffaugment  augmentation\n")
    assert "Every augmentation has" not in text
    assert text.endswith('\n    [[augmentations]]\n    name = "diffaugment"')


def test_every_data_set_has_the_keys_of_the_host(page: Any) -> None:
    text = page("digits")
    assert "Every data set has:" in text
    assert "flip        false     true or false" in text
    assert page("digits", as_json=True)["components"][0]["host_options"][0]["required"]


def test_a_name_of_two_kinds_and_the_name_of_a_distribution(page: Any) -> None:
    text = page("dcgan")
    assert text.count("In a recipe:") == 2
    assert "dcgan  generator\n" in text
    assert "dcgan  discriminator\n" in text
    assert "conditional; unconditional with conditional = false" in text
    assert page("cganzoo-dcgan") == page("CGANZOO_dcgan") == page("cganzoo-dcgan/dcgan") == text
    assert page("cganzoo-acgan").count("In a recipe:") == 5
    assert len(page("cganzoo", as_json=True)["components"]) == 11


def test_nothing_is_wider_than_the_terminal(page: Any) -> None:
    for width in (80, 120):
        for name in ("dcgan", "ecgan", "fid", "folder", "cas", "prdc", None):
            assert max(map(len, page(name, width=width).splitlines())) <= width, name


def test_as_json(page: Any) -> None:
    found = page("ecgan", as_json=True)
    (entry,) = found["components"]
    assert entry["trains"] == {"": "conditional"}
    assert entry["recipes"][:2] == ["ecgan_cifar10", "ecgan_digits"]
    assert [plugin["distribution"] for plugin in found["plugins"]] == ["cganzoo-ecgan"]
    (option,) = [option for option in entry["options"] if option["name"] == "lambda_clf"]
    assert option == {
        "name": "lambda_clf",
        "type": "number or schedule, at least 0",
        "required": False,
        "default": 0.05,
        "description": "Weight of the classifier on real samples (C).",
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ecgn", 'there is no component or distribution "ecgn"; did you mean "ecgan"'),
        ("cganzoo-dcgn", 'did you mean "cganzoo-dcgan"'),
        ("cganzoo-amgan/ecgan", 'there is no component or distribution "cganzoo-amgan/ecgan"; did you mean '),
        ("zzzzzz", 'there is no component or distribution "zzzzzz"; `cganzoo plugins` lists all'),
    ],
)
def test_an_unknown_name(page: Any, name: str, message: str) -> None:
    with pytest.raises(PluginError) as caught:
        page(name)
    assert str(caught.value).startswith(message) or message in str(caught.value)


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_the_recipe_lines_are_valid_in_a_recipe(page: Any, kind: str, name: str) -> None:
    (entry,) = [one for one in page(name, as_json=True)["components"] if one["kind"] == kind]
    lines = tomllib.loads(entry["recipe_lines"])
    recipe = tomllib.loads((bundled.folder() / "gan_digits.toml").read_text())
    needed = set(lines.pop("requires", {}).get("plugins", ()))
    recipe["requires"]["plugins"] = sorted({*recipe["requires"]["plugins"], *needed})
    if kind == "loss":  # the lines of a generator to go with it are the user's
        recipe["generator"]["conditional"] = entry["trains"][""] != "unconditional"
    assert bool(needed) == (entry["distribution"] != "cganzoo")
    resolved = resolve(parse_recipe(toml({**recipe, **lines}), name="page", source="page"))
    assert resolved.components[kind][0].spec.name == entry["component"]
    assert KINDS[kind].heading in entry["recipe_lines"].splitlines()


def toml(values: dict[str, Any]) -> str:
    import tomli_w

    return tomli_w.dumps(values)


def test_the_page_of_a_loss_lists_its_bundled_recipes(page: Any) -> None:
    for recipe in bundled.names():
        values = tomllib.loads((bundled.folder() / f"{recipe}.toml").read_text())
        if recipe.endswith("_digits"):
            entries = page(values["loss"]["name"], as_json=True)["components"]
            (entry,) = [entry for entry in entries if entry["kind"] == "loss"]
            assert recipe in entry["recipes"]


def test_a_pipe_gets_whole_lines(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cganzoo.cli.plugin_list.inspect", lambda waiting: copy.deepcopy(inventory))
    monkeypatch.setenv("COLUMNS", "40")
    show_plugins(None, as_json=False)
    components, distributions, host = capsys.readouterr().out.split("\n\n")
    entries = inventory["components"]
    keys = ["component", "kind", "distribution", "summary"]
    cells = [re.split("  +", line) for line in components.splitlines()]
    assert cells == [keys, *([one[key] for key in keys] for one in entries)]
    head, first, *others = (re.split("  +", line) for line in distributions.splitlines())
    assert head == ["distribution", "version", "wants cganzoo", "load", "from"]
    assert first[:3] == ["cganzoo", "0.1.0", "-"]
    assert len(others) == len({entry["distribution"] for entry in inventory["plugins"]}) - 1
    assert host.startswith("cganzoo 0.1.0, plugin API ")


def test_no_control_code_of_a_plugin_reaches_the_terminal(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x9b2J\x1b[31m\u202e\U000e0001"
    described = copy.deepcopy(inventory)
    (entry,) = [one for one in described["components"] if one["component"] == "ecgan"]
    option = {"name": "mode", "type": f'"{evil}"', "required": True, "default": None, "description": evil}
    entry |= {"summary": evil, "paper": evil, "link": None, "options": [{**option, "example": evil}]}
    entry["distribution"] = f"cganzoo-ecgan{evil}"
    monkeypatch.setattr("cganzoo.cli.plugin_list.inspect", lambda waiting: described)
    show_plugins("ecgan", as_json=False)
    out = capsys.readouterr().out.replace("\n", "")
    assert out.isprintable()
    assert 'mode = "\\u009b2J\\u001b[31m\\u202e\\U000e0001"  # yours' in out


@pytest.mark.parametrize(
    "value", ['\x00\x1b\x7f\x9b\u202e\U000e0001é"\\\n', ["\x9b", 1, True], {"a": "\x7f", "b": 0.5}]
)
def test_a_value_survives_toml(value: Any) -> None:
    text = written(value)
    assert text.isprintable()
    assert tomllib.loads(f"value = {text}") == {"value": value}


# --- description ----------------------------------------------------------------------------------------------------


class Inner(Config):
    size: int = Field(3, ge=1, le=9, description="Size.")


class Options(Config):
    free: Any = Field(None, description="Anything.")
    mode: Literal["a", 2, True] = Field(description="A choice.")
    pair: tuple[float, int] = Field((0.5, 1), description="Two.")
    several: tuple[str, ...] = Field((), description="Texts.")
    either: int | float | None = Field(None, gt=0, description="Number.")
    weight: Annotated[Scalar, at_least(0.5, exclusive=True)] | None = Field(None, description="Weight.")
    inner: Inner = Field(description="A table.")


def build(config: Config, context: BuildContext) -> Any:
    raise NotImplementedError


def test_types_in_words() -> None:
    provider = Provider(distribution="x", version="1", entry_point="x", module="x", location="")
    spec: LossSpec[Options] = LossSpec(name="x", summary="X", config=Options, build=build)
    described = describe(Component(kind="loss", spec=spec, provider=provider))
    assert {option["name"]: option["type"] for option in described["options"]} == {
        "free": "anything",
        "mode": '"a", 2 or true',
        "pair": "list: number; whole number",
        "several": "list of text",
        "either": "number, above 0",
        "weight": "number or schedule, above 0.5",
        "inner": "table",
        "inner.size": "whole number, at least 1, at most 9",
    }
    assert described["trains"] is None, "no option has a default, so none of them says"
    assert [option["name"] for option in described["options"] if option["required"]] == ["mode", "inner"]
    assert in_words({"const": 1}, {}) == "1"


@pytest.mark.parametrize(
    ("paper", "where"),
    [
        ("arXiv:1703.02000", "https://arxiv.org/abs/1703.02000"),
        ("10.1109/5.771073", "https://doi.org/10.1109/5.771073"),
        ("doi:10.1109/5.771073", "https://doi.org/10.1109/5.771073"),
        ("https://example.org/paper", "https://example.org/paper"),
        ("my thesis", None),
        (None, None),
    ],
)
def test_the_link_of_a_paper(paper: str | None, where: str | None) -> None:
    assert link(paper) == where


def test_control_codes_are_escaped() -> None:
    assert printable("Fréchet …\nline") == "Fréchet …\nline"
    assert printable("\x1b[2J\r\u202e\udcff") == "\\x1b[2J\\r\\u202e\\udcff"
