"""Lists, and messages for mistakes, as a user sees them: the commands that need no trained run."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import cganzoo
from cganzoo._version import API_VERSION

# --- lists ----------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_plugins_as_json(command):
    listing = json.loads(command("plugins", "--json").out)
    found = {(entry["kind"], entry["component"]): entry for entry in listing["components"]}
    assert found["loss", "amgan"]["distribution"] == "cganzoo-amgan"
    assert set(found["loss", "amgan"]) >= {"version", "location", "summary"}
    assert ("dataset", "folder") in found
    assert listing["failures"] == listing["notes"] == listing["clashes"] == []
    assert all(plugin["seconds"] > 0 for plugin in listing["plugins"])
    assert (listing["host"], listing["api"]) == (cganzoo.__version__, API_VERSION)


@pytest.mark.smoke
def test_plugins_as_a_table(command):
    result = command("plugins")
    assert result.code == 0
    assert "acgan_star_plus" in result.out
    assert "cganzoo-contragan" in result.out
    assert f"cganzoo {cganzoo.__version__}, plugin API {API_VERSION}" in result.out
    assert result.err == ""


@pytest.mark.smoke
def test_one_plugin(command):
    result = command("plugins", "amgan")
    assert result.code == 0
    assert "https://arxiv.org/abs/1703.02000" in result.out
    result = command("plugins", "amgn")
    assert result.code == 2
    assert 'there is no component or distribution "amgn"; did you mean "amgan"' in result.err


@pytest.mark.smoke
def test_recipes_are_listed_and_copied(tmp_path: Path, command):
    listing = command("recipes").out
    assert "amgan_digits" in listing
    assert "amgan_tinyimagenet" in listing
    assert command("recipes", "copy", "amgan_digits", tmp_path / "mine.toml").code == 0
    assert "[loss]" in (tmp_path / "mine.toml").read_text()
    again = command("recipes", "copy", "amgan_digits", tmp_path / "mine.toml")
    assert again.code == 2
    assert "exists already" in again.err


@pytest.mark.smoke
def test_schema_is_json(command):
    schema = json.loads(command("schema").out)
    assert {"data", "generator", "discriminator", "loss", "optimizer", "train"} <= set(schema["properties"])


# --- mistakes -------------------------------------------------------------------------------------------------------

MISTAKES = {
    "no such recipe": (["run", "amgan_digit"], 'did you mean "amgan_digits"?'),
    "wrong key": (["run", "RECIPE", "--set", "train.step=3"], 'train.step: unknown key; did you mean "steps"?'),
    "wrong type": (["run", "RECIPE", "--set", 'train.steps="3"'], 'train.steps: "3" does not fit'),
    "out of range": (["run", "RECIPE", "--set", "train.batch_size=0"], "train.batch_size: 0 does not fit"),
    "wrong option of a component": (["run", "RECIPE", "--set", "generator.widht=3"], 'did you mean "width"?'),
    "unknown component": (["run", "RECIPE", "--set", "loss.name=amgam"], 'did you mean "amgan"?'),
    "unknown metric": (["run", "RECIPE", "--set", "metrics=[{name='fidd'}]"], 'did you mean "fid"?'),
    "missing plugin": (["run", "RECIPE", "--set", "requires.plugins=['cganzoo-nothere']"], "is not installed"),
    "newer host": (["run", "RECIPE", "--set", "requires.cganzoo='>=9'"], "needs cganzoo >=9"),
    "labels to a generator that takes none": (
        ["run", "RECIPE", "--set", "generator.conditional=false"],
        "trains a conditional generator",
    ),
    "size the network cannot make": (["run", "RECIPE", "--set", "data.image_size=12"], "12"),
    "no data": (
        ["run", "RECIPE", "--set", "data.name=folder", "--set", "data.root=/no/such"],
        'data.root = "/no/such": no such folder',
    ),
    "paper recipe before its data": (["run", "amgan_tinyimagenet"], "tiny-imagenet-200.zip"),
    "no such device": (["run", "RECIPE", "--device", "tpu9"], "--device tpu9"),
    "time": (["run", "RECIPE", "--for", "soon"], '--for soon: is not a time; write it like "90s"'),
    "no run": (["evaluate", "NOWHERE"], "no such run folder"),
    "no run to sample": (["sample", "NOWHERE"], "no such run folder"),
    "export to another kind of file": (["export", "NOWHERE", "x.pt"], "must end in .safetensors"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gets_one_message(
    arguments: list[str], message: str, tiny: str, tmp_path: Path, command, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        tiny.replace('"cganzoo-dcgan"]', '"cganzoo-dcgan", "cganzoo-scores"]').replace(
            'name = "amgan"', 'name = "amgan"\nlabeling = "predefined"'
        )
    )
    places = {"RECIPE": str(recipe), "NOWHERE": str(tmp_path / "nowhere")}
    result = command(*(places.get(argument, argument) for argument in arguments))
    assert result.code == 2
    assert message in result.err
    assert result.err.startswith("error: ")
    assert len(result.err.strip().splitlines()) == 1
    assert "Traceback" not in result.err


def test_debug_shows_the_traceback(command):
    assert "Traceback" in command("--debug", "run", "nothing").err
    assert "Traceback" in command("run", "nothing", "--debug").err


def test_python_m_cganzoo_is_the_same_command():
    ended = subprocess.run([sys.executable, "-m", "cganzoo", "run"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "Usage: cganzoo run" in ended.stderr


def test_python_m_cganzoo_is_recorded_as_the_command(monkeypatch):
    """The manifest of a run records ``sys.argv``."""
    seen = []
    monkeypatch.setattr("cganzoo.cli.main.main", lambda: seen.append(list(sys.argv)))
    monkeypatch.setattr(sys, "argv", ["/folder/cganzoo/__main__.py", "run", "nothing"])
    runpy.run_path(str(Path(cganzoo.__file__).with_name("__main__.py")), run_name="__main__")
    assert seen == [["cganzoo", "run", "nothing"]]
