"""Lists, and messages for mistakes, as a user sees them: the commands that need no trained run."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

import cganzoo
from cganzoo._version import API_VERSION
from cganzoo.cli.compare import seconds
from cganzoo.cli.main import main
from cganzoo.errors import CganzooError, PluginError
from cganzoo.recipe import bundled
from cganzoo.recipe.catalogue import entries
from cganzoo.recipe.read import load_recipe

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
    # A busy machine may load a plugin slowly, which is noted.
    assert not [line for line in result.err.splitlines() if not line.endswith("s to load")]


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


def test_recipes_in_a_pipe_are_whole_lines(command):
    """One line for each recipe, so that `cganzoo recipes | grep` finds it; the columns are two spaces or more apart."""
    lines = [re.split("  +", line) for line in command("recipes").out.splitlines()]
    assert lines[0] == ["recipe", "takes a class", "data set", "size", "what"]
    found = {line[0]: line[1:] for line in lines[1:]}
    assert found.keys() == {*bundled.names(), *bundled.groups()}
    what = bundled.summary(bundled.folder() / "amgan_predefined_tinyimagenet64.toml")
    assert found["amgan_predefined_tinyimagenet64"] == ["yes", "tinyimagenet", "64 px", what]
    assert found["amgan_dynamic_digits"][0] == "no"
    assert found["paper/digits"][:3] == ["-", "-", "-"]


def test_recipes_say_truly_whether_the_generator_takes_a_class():
    for entry in entries():
        written = load_recipe(entry.name).sections.generator.options.get("conditional", True)
        assert entry.takes_class is written, entry.name


def test_recipes_are_listed_without_the_generator_s_plugin(command, monkeypatch):
    def none_loads(required: object) -> None:
        raise PluginError("broken")

    monkeypatch.setattr("cganzoo.recipe.catalogue.load_plugins", none_loads)
    listing = command("recipes")
    assert listing.code == 0
    assert re.search("^amgan_digits +[?] +digits +8 px  ", listing.out, re.MULTILINE)


def test_recipes_in_a_narrow_terminal_are_cut_to_one_line_each(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("cganzoo.cli.recipes.stdout_console", lambda: Console(force_terminal=True, color_system=None))
    with pytest.raises(SystemExit):
        main(["recipes"])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[1] for line in lines if line.startswith("amgan_dynamic_digits ")] == ["no"]


def test_descriptions_of_a_component_in_a_pipe_are_whole_lines(command, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it
    lines = [line.strip() for line in command("plugins", "classifier").out.splitlines()]
    (described,) = [line for line in lines if line.startswith("one_cycle: the rate rises")]
    assert described.endswith("momentum 0.9.")
    assert max(map(len, lines)) < 600, "no line is filled with blanks"


@pytest.mark.parametrize(
    "arguments",
    [[], ["run"], ["sample"], ["compare"], ["data", "info"], ["data", "get"], ["plugins"], ["plugin", "new"]],
    ids=" ".join,
)
def test_help_shows_no_type_for_options_without_a_value(command, arguments: list[str]):
    text = command(*arguments, "--help").out
    assert "--help" in text
    assert "-h" in text.replace("--help", "")
    assert "bool" not in text
    assert command(*arguments, "-h").out == text


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("9m", 540), ("1h30m", 5400), ("0.5h", 1800), (" 1h2m3s ", 3723), ("0s", 0)]
)
def test_a_time_has_units(text: str, expected: float):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["10", "1.5", "1h30", "2m5", "", "h", "1d", "-1s", "1 h", "1e3s", "9" * 5000])
def test_a_time_without_units_is_refused(text: str):
    with pytest.raises(CganzooError) as caught:
        seconds(text)
    assert str(caught.value).endswith('; write seconds, minutes and hours like "90s", "9m" or "1h30m"')
    assert len(str(caught.value)) < 300


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
    "time": (["run", "RECIPE", "--for", "soon"], "--for soon: is not a time; write seconds, minutes and hours like "),
    "time without a unit": (["run", "RECIPE", "--for", "10"], "--for 10: has a number without a unit; write seconds"),
    "last unit missing": (["compare", "RECIPE", "--for", "1h30"], "--for 1h30: has a number without a unit; write sec"),
    "place of images": (["run", "RECIPE", "--set", "data={name='folder', image_size=8, root=''}"], "root: is empty"),
    "device without values": (["run", "RECIPE", "--device", "meta"], '--device meta: is not available here; write "au'),
    "place of an unknown user": (["data", "info", "~unknown-user/x"], 'a path begins with "~" and the name of no user'),
    "runs of an unknown user": (["compare", "~unknown-user/x"], "is not the name of a recipe file"),
    "long name": (["compare", "x" * 5000], "is not the name of a recipe file"),
    "long name of a component": (["plugins", "x" * 5000], "there is no component or distribution"),
    "long key": (["data", "pack", "digits", "--set", f"{'x' * 5000}=1"], "is not an option of a data set"),
    "long requirement": (["run", "RECIPE", "--set", f"requires.plugins=['{'x' * 5000}']"], "is not installed"),
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
    assert len(result.err) < 2000
    assert "Traceback" not in result.err


@pytest.mark.parametrize("option", [("--device", "meta"), ("--set", "train.init=nothing.pt")])
def test_a_mistake_in_an_option_makes_no_folder(option: tuple[str, str], tiny: str, tmp_path: Path, command):
    (tmp_path / "mine.toml").write_text(tiny)
    assert command("run", tmp_path / "mine.toml", "--out", tmp_path / "runs", *option).code == 2
    assert not (tmp_path / "runs").exists()


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
