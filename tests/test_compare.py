"""``cganzoo compare``: the matrix, what is reused and refused, what is written, and what a user is told."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cganzoo import bundled
from cganzoo.cli import main
from cganzoo.compare import fairness, outputs, running, samples
from cganzoo.compare import group as groups
from cganzoo.compare import plan as plans
from cganzoo.errors import RecipeError, RunError
from cganzoo.runs import REPORT_FILES, RunFolder
from cganzoo.session import Session

SCORED = """
[evaluation]
samples = 40
[evaluation.extractor]
name = "classifier"
model = "resnet18"
width = 2
steps = 2
[[metrics]]
name = "fid"
[[metrics]]
name = "class_accuracy"
"""
PLUGINS = 'plugins = ["cganzoo-amgan", "cganzoo-dcgan"]'


class Command:
    """Runs ``cganzoo`` in this process and keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Any:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        self.code, self.out, self.err = ended.value.code, captured.out, captured.err
        return self


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def recipes(tmp_path: Path, tiny: str) -> dict[str, Path]:
    """Two methods that differ in their loss, both scored."""
    files = {}
    for name, loss in (("first", 'name = "amgan"'), ("second", 'name = "labelgan"')):
        text = tiny.replace(PLUGINS, f'plugins = ["cganzoo-{loss[8:-1]}", "cganzoo-dcgan", "cganzoo-scores"]')
        text = text.replace('name = "amgan"', loss).replace(
            "steps = 20", "steps = 6\nlog_every = 2\nevaluate_every = 3"
        )
        files[name] = tmp_path / f"{name}.toml"
        files[name].write_text(text + SCORED)
    unconditional = (
        files["second"]
        .read_text()
        .replace('[generator]\nname = "dcgan"', '[generator]\nname = "dcgan"\nconditional = false')
    )
    files["second"].write_text(unconditional)
    return files


def compare(command: Command, out: Path, *arguments: object) -> Command:
    return command("compare", *arguments, "--out", out, "--device", "cpu")


def scores_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "scores.json").read_text())
    return found


def cells(out: Path) -> Any:
    return scores_of(out)["tables"]


# --- the matrix -----------------------------------------------------------------------------------------------------


def test_recipes_by_seeds_are_trained_scored_and_written(command: Command, recipes: dict[str, Path], tmp_path: Path):
    out = tmp_path / "out"
    ended = compare(command, out, *recipes.values(), "--seeds", "0,1")
    assert ended.code in (0, None), ended.err
    runs = scores_of(out)["reproduce"]["runs"]
    assert [(run["method"], run["seed"], run["state"]) for run in runs] == [
        (name, seed, "finished") for name in ("first", "second") for seed in (0, 1)
    ]
    with (out / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["step"] for row in rows} == {"3", "6"}
    assert {row["checkpoint"] for row in rows} <= {"last", "best", "last+best", "earlier"}
    manifest = json.loads((out / "first" / "seed-1" / "manifest.json").read_text())
    told = next(r for r in rows if (r["method"], r["seed"], r["step"], r["score"]) == ("first", "1", "6", "fid"))
    assert float(told["value"]) == manifest["scores"]["fid"]
    last = {row["method"]: row["cells"]["fid"] for row in cells(out)[0]["rows"]}
    both = [json.loads((out / "first" / f"seed-{s}" / "manifest.json").read_text())["scores"]["fid"] for s in (0, 1)]
    assert last["first"]["mean"] == pytest.approx(sum(both) / 2)
    page = (out / "report.html").read_text()
    assert "data:image/png" in page
    assert "\\toprule" in (out / "table.tex").read_text()
    assert "| first |" in (out / "table.md").read_text()

    before, table = {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")}, cells(out)
    again = compare(command, out, *recipes.values(), "--seeds", "0,1")
    assert again.code in (0, None)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")} == before
    assert cells(out) == table

    # Folders of runs alone, without training, and one run's report.
    elsewhere = tmp_path / "elsewhere"
    alone = compare(command, elsewhere, out / "first", out / "second")
    assert alone.code in (0, None), alone.err
    assert cells(elsewhere)[0]["rows"] == cells(out)[0]["rows"]
    assert not list(elsewhere.rglob("*.pt"))
    run = out / "first" / "seed-0"
    shown = command("report", run, "--device", "cpu")
    assert shown.code in (0, None)
    assert "Last checkpoint" in shown.out
    assert all((run / name).is_file() for name in REPORT_FILES)


def test_what_differs_is_told_before_anything_runs(command: Command, recipes: dict[str, Path], tmp_path: Path):
    wider = recipes["second"].read_text().replace("width = 4", "width = 8")
    recipes["second"].write_text(wider)
    ended = compare(command, tmp_path / "out", *recipes.values(), "--seeds", "0", "--for", "0s")
    assert "generator.width" in ended.out
    assert "discriminator.width" in ended.out
    assert "Beside [loss] and [requires], the recipes differ in:" in ended.out
    assert "generator parameters" in ended.out
    assert "real images seen" in ended.out
    assert "Incomplete: 2 of 2 runs have not come to their end." in ended.out


def test_one_seed_concludes_nothing(command: Command, recipes: dict[str, Path], tmp_path: Path):
    ended = compare(command, tmp_path / "out", *recipes.values(), "--seeds", "0")
    assert "One seed a method: nothing can be concluded." in ended.out
    for file in ("table.md", "table.tex"):
        assert "nothing can be concluded" in (tmp_path / "out" / file).read_text()
    assert "**" not in (tmp_path / "out" / "table.md").read_text()


def test_a_run_that_diverges_or_fails_ends_no_other(command: Command, recipes: dict[str, Path], tmp_path: Path):
    broken = recipes["second"].read_text().replace("lr = 4e-4", "lr = 1e30")
    recipes["second"].write_text(broken)
    out = tmp_path / "out"
    (out / "first" / "seed-1").mkdir(parents=True)
    (out / "first" / "seed-1" / "samples").write_text("in the way")
    ended = compare(command, out, *recipes.values(), "--seeds", "0,1")
    assert ended.code == 2
    states = {(run["method"], run["seed"]): run["state"] for run in scores_of(out)["reproduce"]["runs"]}
    assert states[("first", 0)] == "finished"
    assert states[("first", 1)] == "failed"
    assert "first: 1 of 2 seeds (1) failed and have no part in its scores." in " ".join(ended.out.split())
    assert "cannot be written" in next(
        run["error"] for run in scores_of(out)["reproduce"]["runs"] if run["state"] == "failed"
    )
    assert states[("second", 0)] == states[("second", 1)] == "diverged"
    assert "second: 2 of 2 seeds (0, 1) diverged and have no part in its scores." in " ".join(ended.out.split())


# --- mistakes -------------------------------------------------------------------------------------------------------


def test_another_protocol_is_refused_or_marked_everywhere(command: Command, recipes: dict[str, Path], tmp_path: Path):
    recipes["second"].write_text(recipes["second"].read_text().replace("samples = 40", "samples = 30"))
    out = tmp_path / "out"
    ended = compare(command, out, *recipes.values(), "--seeds", "0")
    assert ended.code == 2
    assert "second is measured in another way than first: evaluation.samples is 30, of first 40" in ended.err
    assert "--allow-mixed" in ended.err
    assert not out.exists()
    ended = compare(command, out, *recipes.values(), "--seeds", "0", "--allow-mixed")
    assert ended.code in (0, None), ended.err
    for text in (ended.out, (out / "report.html").read_text(), (out / "table.md").read_text()):
        assert "MIXED PROTOCOLS" in text
    assert "MIXED PROTOCOLS" in (out / "table.tex").read_text()
    assert "mixed protocols" in (out / "scores.csv").read_text()
    assert "\\multicolumn" in (out / "table.tex").read_text()
    assert "nothing is concluded from them" in " ".join(ended.out.split())
    assert scores_of(out)["pairs"] == scores_of(out)["ranks"] == []
    assert scores_of(out)["mixed"] is True


def test_a_missing_metric_leaves_a_dash(command: Command, recipes: dict[str, Path], tmp_path: Path):
    text = recipes["second"].read_text().replace('[[metrics]]\nname = "class_accuracy"\n', "")
    recipes["second"].write_text(text)
    out = tmp_path / "out"
    ended = compare(command, out, *recipes.values(), "--seeds", "0")
    assert ended.code in (0, None), ended.err
    assert "second: not measured by class_accuracy, so there is a dash in its place" in " ".join(ended.out.split())
    row = next(row for row in cells(out)[0]["rows"] if row["method"] == "second")
    assert row["cells"]["class_accuracy"]["mean"] is None


def test_methods_are_ranked_by_a_score_that_all_have(command: Command, recipes: dict[str, Path], tmp_path: Path):
    text = recipes["second"].read_text().replace('[[metrics]]\nname = "fid"\n', "")
    recipes["second"].write_text(text)
    for name, order in (("a", list(recipes.values())), ("b", list(recipes.values())[::-1])):
        compare(command, tmp_path / name, *order, "--seeds", "0")
        assert scores_of(tmp_path / name)["rank_by"] == "class_accuracy"
    recipes["first"].write_text(recipes["first"].read_text().replace('[[metrics]]\nname = "class_accuracy"\n', ""))
    ended = compare(command, tmp_path / "c", *recipes.values(), "--seeds", "0")
    assert "Only first has the score fid" in " ".join(ended.out.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothere"], "no such recipe"),
        (["amgan_digits", "--seeds", "a"], '--seeds a: write seeds as whole numbers with commas, like "0,1,2"'),
        (["amgan_digits", "--seeds", "1,1"], "a seed is listed more than once"),
        (["amgan_digits", "amgan_digits"], "is named twice"),
        (["amgan_digits", "--for", "soon"], "is no time"),
        (
            ["amgan_digits", "--set", "train.seed=7"],
            "--set train.seed=7: a comparison has several seeds; write them as",
        ),
        ([""], "an argument is empty; name a recipe, a group of them, or a folder of runs"),
    ],
)
def test_a_mistake_is_one_sentence(command: Command, arguments: list[str], told: str, tmp_path: Path):
    ended = compare(command, tmp_path / "out", *arguments)
    assert ended.code == 2
    assert told in ended.err
    assert not (tmp_path / "out").exists()


def test_where_it_goes_must_be_a_folder(command: Command, tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    ended = compare(command, tmp_path / "file", "amgan_digits")
    assert ended.code == 2
    assert f"--out {tmp_path / 'file'}: is a file; name a folder" in " ".join(ended.err.split())


def test_a_folder_without_runs_does_not_hide_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "amgan_digits").mkdir()
    (method,) = plans.make(["amgan_digits"], seeds=None, overrides=[], out=tmp_path / "out").methods
    assert method.resolved is not None


def test_a_group_is_no_recipe(command: Command):
    ended = command("run", "paper/digits")
    assert ended.code == 2
    assert "is a group of recipes; run it with `cganzoo compare paper/digits`" in ended.err


def test_an_exception_of_a_plugin_is_a_failed_run(
    command: Command, recipes: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    train = running.Session.run

    def run(session: Session, *arguments: Any, **options: Any) -> bool:
        if session.resolved.recipe.name == "first":
            raise ValueError("a plugin's own words")
        return train(session, *arguments, **options)

    monkeypatch.setattr(running.Session, "run", run)
    out = tmp_path / "out"
    ended = compare(command, out, *recipes.values(), "--seeds", "0")
    assert ended.code == 2
    states = {run["method"]: (run["state"], run["error"]) for run in scores_of(out)["reproduce"]["runs"]}
    assert states["second"] == ("finished", "")
    assert states["first"][0] == "failed"
    assert "ValueError: a plugin's own words" in states["first"][1]
    assert "Traceback" in (out / "first" / "seed-0" / "log.txt").read_text()


def test_what_cannot_be_drawn_costs_no_number(
    command: Command, recipes: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: Any) -> Any:
        raise ValueError("no picture")

    monkeypatch.setattr(samples, "_pictures", fail)
    ended = compare(command, tmp_path / "out", recipes["first"], "--seeds", "0")
    assert ended.code in (0, None), ended.err
    assert "first: no samples are shown: ValueError: no picture" in (tmp_path / "out" / "report.html").read_text()


def test_other_images_are_refused_before_training(command: Command, recipes: dict[str, Path], tmp_path: Path):
    random = np.random.default_rng(0)
    for name, file in recipes.items():
        for label in ("ant", "bee"):
            (tmp_path / name / label).mkdir(parents=True)
            for number in range(8):
                picture = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))
                picture.save(tmp_path / name / label / f"{number}.png")
        file.write_text(file.read_text().replace('name = "digits"', f'name = "folder"\nroot = "{tmp_path / name}"'))
    ended = compare(command, tmp_path / "out", *recipes.values(), "--seeds", "0")
    assert ended.code == 2
    assert "second is measured in another way than first: their training images are not the same" in ended.err
    assert not (tmp_path / "out").exists()


def test_a_metric_is_compared_with_the_first_method_that_has_it():
    def protocol(**metrics: dict[str, int]) -> dict[str, Any]:
        return {"samples": 10, "metrics": metrics}

    protocols = [("a", protocol(fid={})), ("b", protocol(prdc={"k": 5})), ("c", protocol(prdc={"k": 3}, fid={}))]
    assert fairness.measured_conflicts(protocols) == [
        "c is measured in another way than b: metrics.prdc.k is 3, of b 5"
    ]
    assert fairness.measured_conflicts(protocols[:2]) == []


# --- folders of runs ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Path:
    """A finished run of two."""
    place = tmp_path_factory.mktemp("finished")
    file = place / "mine.toml"
    text = tiny.replace(PLUGINS, 'plugins = ["cganzoo-amgan", "cganzoo-dcgan", "cganzoo-scores"]')
    file.write_text(text.replace("steps = 20", "steps = 4") + SCORED)
    with pytest.raises(SystemExit):
        main(["compare", str(file), "--seeds", "0,1", "--out", str(place / "runs"), "--device", "cpu"])
    return place / "runs"


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def test_other_code_is_refused_before_anything_runs(command: Command, copy: Path, finished: Path):
    manifest = copy / "mine" / "seed-0" / "manifest.json"
    values = json.loads(manifest.read_text())
    values["code"]["cganzoo"] = "0" * 16
    manifest.write_text(json.dumps(values))
    ended = compare(command, copy, finished.parent / "mine.toml", "--seeds", "0,1")
    assert ended.code == 2
    assert "was made with other code (cganzoo changed since)" in ended.err
    assert compare(command, copy / "report", copy / "mine").code in (0, None)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda run: (run / "manifest.json").write_text("{"), "is damaged"),
        (lambda run: (run / "recipe.toml").write_text("[train"), "recipe.toml is damaged"),
        (lambda run: (run / "recipe.toml").unlink(), "recipe.toml cannot be read"),
        (lambda run: (run / "manifest.json").unlink(), "has no manifest.json"),
        (
            lambda run: (run / "manifest.json").write_text("[1]"),
            "manifest.json is damaged, or another version wrote it",
        ),
        (
            lambda run: (run / "recipe.toml").write_text("[train]\nseed = 1\n"),
            "has no data; it was written by",
        ),
        (
            lambda run: (run / "manifest.json").write_text(
                json.dumps(
                    {k: v for k, v in json.loads((run / "manifest.json").read_text()).items() if k != "protocol"}
                )
            ),
            "has no protocol of the last step, so it was not scored, or by an older cganzoo",
        ),
    ],
)
def test_a_folder_that_cannot_take_part_is_named_and_the_others_are_shown(
    command: Command, copy: Path, tmp_path: Path, spoil: Callable[[Path], object], told: str
):
    spoil(copy / "mine" / "seed-1")
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert ended.code in (0, None), ended.err
    assert told in " ".join(ended.out.split())
    assert [run["seed"] for run in scores_of(tmp_path / "out")["reproduce"]["runs"]] == [0]


def changed(file: Path, key: str, value: object) -> None:
    """Change one value of a manifest, by its dotted key; ``None`` removes it."""
    values = json.loads(file.read_text())
    *parents, name = key.split(".")
    table = values
    for parent in parents:
        table = table[parent]
    if value is None:
        del table[name]
    else:
        table[name] = value
    file.write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seconds", "x"),
        ("peak_memory", [1]),
        ("parameters.generator", "x"),
        ("versions", "x"),
        ("device", 5),
        ("protocol", "x"),
        ("protocol.metrics", ["fid"]),
        ("classes", 5),
        ("per_class", [1]),
        ("calls", 3),
        ("scores", None),
        ("step", "6"),
    ],
)
def test_a_value_of_another_type_costs_one_run_only(
    command: Command, copy: Path, tmp_path: Path, key: str, value: object
):
    changed(copy / "mine" / "seed-1" / "manifest.json", key, value)
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert ended.code in (0, None), ended.err
    assert key.partition(".")[0] in " ".join(ended.out.split()).partition("seed-1: left out:")[2]
    assert [run["seed"] for run in scores_of(tmp_path / "out")["reproduce"]["runs"]] == [0]


@pytest.mark.parametrize(
    ("old", "new"), [("steps = 4", 'steps = "4"'), ("steps = 4", "steps = 4\ndiscriminator_steps = 'x'")]
)
def test_a_recipe_of_another_type_costs_one_run_only(command: Command, copy: Path, tmp_path: Path, old: str, new: str):
    file = copy / "mine" / "seed-1" / "recipe.toml"
    file.write_text(re.sub(r"^discriminator_steps.*\n", "", file.read_text(), flags=re.MULTILINE).replace(old, new, 1))
    assert new in file.read_text()
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert ended.code in (0, None), ended.err
    assert "steps" in " ".join(ended.out.split()).partition("seed-1: left out: recipe.toml is damaged")[2]


def test_numbers_that_json_does_not_know_are_gaps(command: Command, copy: Path, tmp_path: Path):
    manifest = copy / "mine" / "seed-1" / "manifest.json"
    for key in ("scores.fid", "real_test.fid", "seconds"):
        changed(manifest, key, float("nan"))
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert ended.code in (0, None), ended.err
    assert cells(tmp_path / "out")[0]["rows"][0]["cells"]["fid"]["n"] == 1


def test_an_evaluation_on_the_way_is_not_the_last_one(command: Command, copy: Path, finished: Path, tmp_path: Path):
    """A run whose last scores are lost is left out, or scored again where it is trained; never taken at its word."""
    run = copy / "mine" / "seed-1"
    before = json.loads((run / "manifest.json").read_text())["scores"]
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 2, "scores": {"fid": 1e6}}) + "\n")
    changed(run / "manifest.json", "scores", None)
    compare(command, tmp_path / "out", copy / "mine")
    assert cells(tmp_path / "out")[0]["rows"][0]["cells"]["fid"]["n"] == 1
    ended = compare(command, copy, finished.parent / "mine.toml", "--seeds", "0,1")
    assert ended.code in (0, None), ended.err
    assert json.loads((run / "manifest.json").read_text())["scores"] == before


def test_scores_that_nobody_asks_for_any_more_are_not_shown(command: Command, copy: Path, finished: Path):
    again = ("--seeds", "0,1", "--set", "metrics=[]")
    ended = compare(command, copy, finished.parent / "mine.toml", *again)
    assert ended.code in (0, None), ended.err
    assert scores_of(copy)["scores"] == []
    assert "scores" not in json.loads((copy / "mine" / "seed-0" / "manifest.json").read_text())


def test_a_damaged_run_is_told_and_left_as_it_is_while_the_others_are_trained(
    command: Command, copy: Path, finished: Path
):
    damaged = copy / "mine" / "seed-1" / "manifest.json"
    damaged.write_text("{")
    ended = compare(command, copy, finished.parent / "mine.toml", "--seeds", "0,1,2")
    assert ended.code == 2
    assert f"remove {damaged.parent} to train it again" in " ".join(ended.out.split())
    assert damaged.read_text() == "{"
    assert [run["seed"] for run in scores_of(copy)["reproduce"]["runs"]] == [0, 2]


def test_a_run_that_another_process_is_in_is_not_failed(command: Command, copy: Path, finished: Path):
    changed(copy / "mine" / "seed-1" / "manifest.json", "status", "stopped")
    with RunFolder(copy / "mine" / "seed-1").claimed():
        ended = compare(command, copy, finished.parent / "mine.toml", "--seeds", "0,1")
    assert ended.code == 2
    told = " ".join(ended.out.split())
    assert "another cganzoo is running here; wait for it" in told
    assert "Incomplete: 1 of 2 runs" in told
    assert "failed" not in told


def test_runs_of_other_code_are_a_method_of_their_own(command: Command, copy: Path, tmp_path: Path):
    manifest = copy / "mine" / "seed-1" / "manifest.json"
    values = json.loads(manifest.read_text())
    for code in (values["code"], *(call["code"] for call in values["calls"])):
        code["cganzoo"] = "0" * 16
    manifest.write_text(json.dumps(values))
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert ended.code in (0, None), ended.err
    assert [row["method"] for row in cells(tmp_path / "out")[0]["rows"]] == ["mine", "mine (2)"]
    assert "Not all were made with the same code of cganzoo: mine with" in " ".join(ended.out.split())


def test_a_folder_with_another_seed_of_a_recipe_is_its_replica(
    command: Command, copy: Path, finished: Path, tmp_path: Path
):
    shutil.move(copy / "mine" / "seed-1", tmp_path / "elsewhere")
    for arguments in ((finished.parent / "mine.toml", tmp_path / "elsewhere"), (copy / "mine" / "seed-0", tmp_path)):
        ended = compare(command, copy, *arguments, *(("--seeds", "0") if arguments[0].is_file() else ()))
        assert ended.code in (0, None), ended.err
    shutil.copytree(copy / "mine" / "seed-0", tmp_path / "again")
    both = compare(command, copy, finished.parent / "mine.toml", tmp_path / "again", "--seeds", "0")
    assert both.code == 2
    assert "is seed 0 of the recipe of which" in both.err
    (row,) = cells(copy)[0]["rows"]
    assert row["cells"]["fid"]["n"] == 2


def test_replicas_that_were_measured_differently_are_named_by_their_folder(
    command: Command, copy: Path, tmp_path: Path
):
    changed(copy / "mine" / "seed-1" / "manifest.json", "protocol.fingerprint", "f" * 16)
    changed(copy / "mine" / "seed-1" / "manifest.json", "protocol.samples.count", 77)
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert ended.code == 2
    assert (
        f"mine, seed 1 ({copy / 'mine' / 'seed-1'}), is measured in another way than mine: samples.count" in ended.err
    )
    compare(command, tmp_path / "out", copy / "mine", "--allow-mixed")
    with (tmp_path / "out" / "scores.csv").open() as file:
        protocols = {row["seed"]: row["protocol"] for row in csv.DictReader(file)}
    assert protocols["1"] == "f" * 16 != protocols["0"]


def test_runs_named_one_by_one_are_replicas_and_a_seed_counts_once(command: Command, copy: Path, tmp_path: Path):
    ended = compare(command, tmp_path / "out", copy / "mine" / "seed-0", copy / "mine" / "seed-1")
    assert ended.code in (0, None), ended.err
    (row,) = cells(tmp_path / "out")[0]["rows"]
    assert row["cells"]["fid"]["n"] == 2
    shutil.copytree(copy / "mine" / "seed-0", copy / "mine" / "again")
    ended = compare(command, tmp_path / "twice", copy / "mine")
    assert ended.code == 2
    assert "is seed 0 of the recipe of which" in ended.err


def test_methods_of_one_name_keep_their_own_scores(command: Command, copy: Path, tmp_path: Path):
    run = Path(shutil.copytree(copy / "mine" / "seed-0", tmp_path / "other" / "mine" / "seed-0"))
    (run / "recipe.toml").write_text((run / "recipe.toml").read_text().replace("batch_size = 8", "batch_size = 9"))
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["scores"]["fid"] += 100
    (run / "manifest.json").write_text(json.dumps(manifest))
    compare(command, tmp_path / "out", copy / "mine" / "seed-0", run)
    first, second = (row["cells"]["fid"]["mean"] for row in cells(tmp_path / "out")[0]["rows"])
    assert second == pytest.approx(first + 100)


def test_a_finished_run_without_checkpoints_is_kept(command: Command, copy: Path, finished: Path):
    for file in copy.rglob("*.pt"):
        file.unlink()
    before = (copy / "mine" / "seed-0" / "manifest.json").read_text()
    ended = compare(command, copy, finished.parent / "mine.toml", "--seeds", "0,1")
    assert ended.code in (0, None), ended.err
    assert (copy / "mine" / "seed-0" / "manifest.json").read_text() == before
    ended = compare(command, copy, finished.parent / "mine.toml", "--seeds", "0,1", "--set", "train.steps=5")
    assert ended.code == 2
    assert "holds a finished run of another recipe or of other code, without its checkpoints" in ended.err


def test_a_number_that_json_does_not_know_is_no_number(command: Command, copy: Path, tmp_path: Path):
    with (copy / "mine" / "seed-0" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "seconds": 1.0, "images_per_second": 5.0, "terms": {"discriminator/real": NaN}}\n')
    assert compare(command, tmp_path / "out", copy / "mine").code in (0, None)
    assert "3" not in scores_of(tmp_path / "out")["curves"]["terms"]["discriminator/real"]["mine"]["step"]


def test_one_seed_is_never_the_best(command: Command, copy: Path, tmp_path: Path):
    run = Path(shutil.copytree(copy / "mine" / "seed-0", tmp_path / "other" / "seed-0"))
    (run / "recipe.toml").write_text((run / "recipe.toml").read_text().replace("batch_size = 8", "batch_size = 9"))
    changed(run / "manifest.json", "scores.fid", 0.0)
    ended = compare(command, tmp_path / "out", copy / "mine", tmp_path / "other")
    assert ended.code in (0, None), ended.err
    told = " ".join(ended.out.split())
    assert "mine: fid" in told
    assert "One seed only, so nothing can be concluded of: other." in told
    assert {row["cells"]["fid"]["mark"] for row in cells(tmp_path / "out")[0]["rows"]} == {""}


def test_unequal_numbers_of_evaluations_are_told(command: Command, copy: Path, tmp_path: Path):
    with (copy / "mine" / "seed-1" / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 2, "scores": {"fid": 5.0}}) + "\n")
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert "unequal numbers of evaluations, so compare the last ones: 1 of mine seed 0; 2 of mine seed 1" in " ".join(
        ended.out.split()
    )


def test_why_a_run_failed_is_told_wherever_it_is_shown(command: Command, copy: Path, tmp_path: Path):
    manifest = copy / "mine" / "seed-1" / "manifest.json"
    changed(manifest, "status", "failed")
    changed(manifest, "error", "the disk is full")
    ended = compare(command, tmp_path / "out", copy / "mine")
    for text in (
        ended.out,
        (tmp_path / "out" / "table.md").read_text(),
        (tmp_path / "out" / "report.html").read_text(),
    ):
        assert "mine, seed 1: the disk is full" in " ".join(text.split())


def test_a_finished_comparison_needs_no_images(command: Command, recipes: dict[str, Path], tmp_path: Path):
    place = tmp_path / "images"
    for split in ("train", "test"):
        for label in range(2):
            folder = place / split / str(label)
            folder.mkdir(parents=True)
            for number in range(25):
                pixels = np.random.default_rng([label, number]).integers(0, 256, (8, 8), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    for file in recipes.values():
        file.write_text(file.read_text().replace('name = "digits"', f'name = "folder"\nroot = "{place}"'))
    arguments = (*recipes.values(), "--seeds", "0")
    assert compare(command, tmp_path / "out", *arguments).code in (0, None)
    table = cells(tmp_path / "out")
    shutil.rmtree(place)
    ended = compare(command, tmp_path / "out", *arguments)
    assert ended.code in (0, None), ended.err
    assert cells(tmp_path / "out") == table


@pytest.mark.parametrize("option", [["--seeds", "0"], ["--fresh"], ["--set", "train.steps=3"]])
def test_options_of_recipes_are_refused_with_runs_alone(command: Command, finished: Path, option: list[str]):
    ended = command("compare", finished, *option)
    assert ended.code == 2
    assert "is for recipes, and these are runs" in ended.err or "are runs; name a recipe" in ended.err


def test_forty_runs_are_shown(command: Command, copy: Path, tmp_path: Path):
    for number in range(40):
        run = Path(shutil.copytree(copy / "mine" / "seed-0", tmp_path / "many" / f"m{number}" / "seed-0"))
        recipe = (run / "recipe.toml").read_text().replace("steps = 4", f"steps = {4 + number}")
        (run / "recipe.toml").write_text(recipe)
    ended = compare(command, tmp_path / "out", tmp_path / "many")
    assert ended.code in (0, None), ended.err
    assert len(scores_of(tmp_path / "out")["methods"]) == 40


# --- interrupted ----------------------------------------------------------------------------------------------------


def test_killed_at_several_points_it_goes_on_to_the_same_table(recipes: dict[str, Path], tmp_path: Path):
    def start(out: Path) -> subprocess.Popen[str]:
        arguments = ["compare", *map(str, recipes.values()), "--seeds", "0,1", "--out", str(out), "--device", "cpu"]
        code = "import sys; from cganzoo.cli import main; main(sys.argv[1:])"
        return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).wait() == 0
    for wanted in (0, 1, 3):  # finished runs before the kill
        process = start(killed)
        assert process.stdout is not None
        for line in process.stdout:
            if (
                len(re.findall("finished", line))
                and sum(json.loads(m.read_text()).get("status") == "finished" for m in killed.rglob("manifest.json"))
                > wanted
            ):
                break
        time.sleep(0.05 * wanted)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = {p: p.stat().st_mtime_ns for p in killed.rglob("*.pt")}
    assert start(killed).wait() == 0
    assert cells(killed) == cells(whole)
    assert {p: p.stat().st_mtime_ns for p in killed.rglob("*.pt") if p in done} == {
        p: t for p, t in done.items() if p.is_file()
    }


# --- groups ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", bundled.groups())
def test_every_group_resolves_and_is_fair(name: str):
    plan = plans.make([name], seeds=None, overrides=[], out=Path("nowhere"))
    assert len(plan.methods) >= 6
    assert fairness.planned_conflicts(plan.methods) == []
    allowed = {"generator.conditional", "discriminator.extra_conv"}
    assert {d.key for d in fairness.differences(plan.methods) if not d.expected} <= allowed
    header = (bundled.folder() / f"{name}.toml").read_text()
    assert f"cganzoo compare recipes/{name}.toml" in header


def test_a_group_sets_names_and_publishes(tmp_path: Path, recipes: dict[str, Path]):
    file = tmp_path / "group.toml"
    file.write_text(
        'title = "Two"\nseeds = [3]\nset = ["train.steps=9"]\n'
        '[published]\nsource = "a paper"\ndifference = "all"\n'
        '[[methods]]\nrecipe = "first.toml"\nlabel = "One"\npublished = { fid = 2.0 }\n'
        '[[methods]]\nrecipe = "first.toml"\nname = "other"\nset = ["train.steps=8"]\n'
    )
    plan = plans.make([str(file)], seeds=None, overrides=[], out=None)
    assert [(method.label, method.values["train"]["steps"]) for method in plan.methods] == [("One", 9), ("other", 8)]
    assert [cell.folder.path for cell in plan.cells] == [
        Path("runs/group/first/seed-3"),
        Path("runs/group/other/seed-3"),
    ]
    wins = plans.make([str(file)], seeds=[5], overrides=["train.steps=7"], out=None)
    assert {method.values["train"]["steps"] for method in wins.methods} == {7}
    assert groups.read(str(recipes["first"])) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('title = "x"\nmethods = []\n', "there is no method"),
        ('title = "x"\n[[methods]]\nrecipe = "amgan_digits"\nlabl = "y"\n', 'did you mean "label"'),
        ('title = "x"\n[[methods]]\nrecipe = "nothere"\n', "no such recipe"),
        ('title = "x"\n[[methods]]\nrecipe = "amgan_digits"\n[[methods]]\nrecipe = "amgan_digits"\n', 'another "name"'),
        ('title = "x"\n[[methods]]\nrecipe = "amgan_digits"\npublished = {fid = 1.0}\n', "[published] must say"),
        ('title = "x"\nset = ["train.seed=1"]\n[[methods]]\nrecipe = "amgan_digits"\n', "seeds = [0, 1, 2]"),
        ('title = "x"\nset = ["loss.foo=1"]\n[[methods]]\nrecipe = "amgan_digits"\n', "amgan_digits: set: loss.foo"),
        ('title = "x"\n[[methods]]\nrecipe = "amgan_digits"\nlabel = "a\\nb"\n', "methods.0.label"),
    ],
)
def test_a_mistake_in_a_group_is_one_sentence(text: str, told: str, tmp_path: Path):
    file = tmp_path / "group.toml"
    file.write_text(text)
    with pytest.raises(RecipeError, match=re.escape(told)) as caught:
        plans.make([str(file)], seeds=None, overrides=[], out=None)
    assert "group.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_score_to_rank_by_that_nobody_reports_is_told_before_training(
    command: Command, recipes: dict[str, Path], tmp_path: Path
):
    file = tmp_path / "group.toml"
    file.write_text('title = "x"\nrank_by = "fidd"\n[[methods]]\nrecipe = "first.toml"\n')
    ended = compare(command, tmp_path / "out", file)
    assert ended.code == 2
    assert 'group.toml: rank_by: "fidd" is no score that these recipes report; choose one of "fid"' in ended.err
    assert not (tmp_path / "out").exists()


def test_a_published_value_without_a_score_is_told(command: Command, recipes: dict[str, Path], tmp_path: Path):
    file = tmp_path / "group.toml"
    file.write_text(
        'title = "x"\n[published]\nsource = "a"\ndifference = "b"\n'
        '[[methods]]\nrecipe = "first.toml"\npublished = { fidd = 1.0 }\n'
    )
    ended = compare(command, tmp_path / "out", file)
    assert ended.code == 2
    assert 'group.toml: first: published: "fidd" is no score that these recipes report' in ended.err


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="choose another --out"):
        outputs.save(tmp_path / "file" / "table.md", "")
