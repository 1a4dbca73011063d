"""``cganzoo compare``: the matrix, what is trained, reused and refused, the files, and the messages."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import Command, cells, compare, scores_of
from PIL import Image

from cganzoo.compare import fairness, samples, train
from cganzoo.compare.matrix import build_matrix
from cganzoo.runs.folder import REPORT_FILES
from cganzoo.session.run import Session

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
    row = next(r for r in rows if (r["method"], r["seed"], r["step"], r["score"]) == ("first", "1", "6", "fid"))
    assert float(row["value"]) == manifest["evaluation"]["scores"]["fid"]
    last = {row["method"]: row["cells"]["fid"] for row in cells(out)[0]["rows"]}
    manifests = [json.loads((out / "first" / f"seed-{s}" / "manifest.json").read_text()) for s in (0, 1)]
    both = [manifest["evaluation"]["scores"]["fid"] for manifest in manifests]
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


def test_differences_are_shown_before_anything_runs(command: Command, recipes: dict[str, Path], tmp_path: Path):
    wider = recipes["second"].read_text().replace("width = 4", "width = 8")
    recipes["second"].write_text(wider)
    ended = compare(command, tmp_path / "out", *recipes.values(), "--seeds", "0", "--for", "0s")
    assert "generator.width" in ended.out
    assert "discriminator.width" in ended.out
    assert "Outside [loss] and [requires], the recipes differ in:" in ended.out
    assert "generator parameters" in ended.out
    assert "real images seen" in ended.out
    assert "Incomplete: 2 of 2 runs have not finished." in ended.out


def test_one_seed_allows_no_conclusion(command: Command, recipes: dict[str, Path], tmp_path: Path):
    ended = compare(command, tmp_path / "out", *recipes.values(), "--seeds", "0")
    assert "One seed per method: nothing can be concluded." in ended.out
    for file in ("table.md", "table.tex"):
        assert "nothing can be concluded" in (tmp_path / "out" / file).read_text()
    assert "**" not in (tmp_path / "out" / "table.md").read_text()


def test_a_run_that_diverges_or_fails_does_not_stop_the_others(
    command: Command, recipes: dict[str, Path], tmp_path: Path
):
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
    assert "first: 1 of 2 seeds (1) failed and are not included in its scores." in " ".join(ended.out.split())
    assert "is a file, but must be a folder" in next(
        run["error"] for run in scores_of(out)["reproduce"]["runs"] if run["state"] == "failed"
    )
    assert states[("second", 0)] == states[("second", 1)] == "diverged"
    assert "second: 2 of 2 seeds (0, 1) diverged and are not included in its scores." in " ".join(ended.out.split())


# --- mistakes -------------------------------------------------------------------------------------------------------


def test_another_protocol_is_refused_or_marked_everywhere(command: Command, recipes: dict[str, Path], tmp_path: Path):
    recipes["second"].write_text(recipes["second"].read_text().replace("samples = 40", "samples = 30"))
    out = tmp_path / "out"
    ended = compare(command, out, *recipes.values(), "--seeds", "0")
    assert ended.code == 2
    assert "second is scored differently from first: evaluation.samples is 30, and 40 for first" in ended.err
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
    assert "second: not measured by class_accuracy, so the table has a dash there" in " ".join(ended.out.split())
    row = next(row for row in cells(out)[0]["rows"] if row["method"] == "second")
    assert row["cells"]["class_accuracy"]["mean"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothere"], "no such recipe"),
        (["amgan_digits", "--seeds", "a"], '--seeds a: write seeds as whole numbers with commas, like "0,1,2"'),
        (["amgan_digits", "--seeds", "1,1"], "a seed is listed more than once"),
        (["amgan_digits", "amgan_digits"], "is named twice"),
        (["amgan_digits", "--for", "soon"], "is not a time"),
        (
            ["amgan_digits", "--set", "train.seed=7"],
            "--set train.seed=7: a comparison has several seeds; write them as",
        ),
        ([""], "an argument is empty; name a recipe, a group of recipes, or a folder of runs"),
    ],
)
def test_a_mistake_is_one_message(command: Command, arguments: list[str], message: str, tmp_path: Path):
    ended = compare(command, tmp_path / "out", *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert not (tmp_path / "out").exists()


def test_out_must_be_a_folder(command: Command, tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    ended = compare(command, tmp_path / "file", "amgan_digits")
    assert ended.code == 2
    assert f"--out {tmp_path / 'file'}: is a file; name a folder" in " ".join(ended.err.split())


def test_a_folder_without_runs_does_not_hide_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "amgan_digits").mkdir()
    (method,) = build_matrix(["amgan_digits"], seeds=None, overrides=[], out=tmp_path / "out").methods
    assert method.resolved is not None


def test_a_group_is_not_a_recipe(command: Command):
    ended = command("run", "paper/digits")
    assert ended.code == 2
    assert "is a group of recipes; run it with `cganzoo compare paper/digits`" in ended.err


def test_an_exception_of_a_plugin_is_a_failed_run(
    command: Command, recipes: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    train_run = train.Session.run

    def run(session: Session, *arguments: Any, **options: Any) -> bool:
        if session.resolved.recipe.name == "first":
            raise ValueError("a plugin's own words")
        return train_run(session, *arguments, **options)

    monkeypatch.setattr(train.Session, "run", run)
    out = tmp_path / "out"
    ended = compare(command, out, *recipes.values(), "--seeds", "0")
    assert ended.code == 2
    states = {run["method"]: (run["state"], run["error"]) for run in scores_of(out)["reproduce"]["runs"]}
    assert states["second"] == ("finished", "")
    assert states["first"][0] == "failed"
    assert "ValueError: a plugin's own words" in states["first"][1]
    assert "Traceback" in (out / "first" / "seed-0" / "log.txt").read_text()


def test_scores_are_written_if_samples_cannot_be_drawn(
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
    assert "second is trained on other images than first" in ended.err
    assert not (tmp_path / "out").exists()


def test_a_metric_is_compared_with_the_first_method_that_has_it():
    def protocol(**metrics: dict[str, int]) -> dict[str, Any]:
        return {"samples": 10, "metrics": metrics}

    protocols = [("a", protocol(fid={})), ("b", protocol(prdc={"k": 5})), ("c", protocol(prdc={"k": 3}, fid={}))]
    assert fairness.measured_conflicts(protocols) == {
        "c": "c is scored differently from b: metrics.prdc.k is 3, and 5 for b"
    }
    assert fairness.measured_conflicts(protocols[:2]) == {}


# --- interrupted ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("methods", "kills"),
    [(("first",), (0,)), pytest.param(("first", "second"), (0, 1, 3), marks=pytest.mark.slow)],
)
def test_killed_at_several_points_it_resumes_to_the_same_table(
    recipes: dict[str, Path], tmp_path: Path, methods: tuple[str, ...], kills: tuple[int, ...]
):
    files = [str(recipes[method]) for method in methods]

    def start(out: Path) -> subprocess.Popen[str]:
        arguments = ["compare", *files, "--seeds", "0,1", "--out", str(out), "--device", "cpu"]
        code = "import sys; from cganzoo.cli.main import main; main(sys.argv[1:])"
        return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).wait() == 0
    for wanted in kills:  # finished runs before the kill
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
