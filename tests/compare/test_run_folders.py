"""``cganzoo compare`` with folders of runs: finished, damaged, or of other code."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from comparing import PLUGINS, SCORED, Command, cells, compare, scores_of
from PIL import Image

from cganzoo.cli.main import main
from cganzoo.compare.run_files import DamagedError, read_manifest, read_sections
from cganzoo.runs.folder import RunFolder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Path:
    """Two finished runs."""
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


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda run: (run / "manifest.json").write_text("{"), "is damaged"),
    (lambda run: (run / "recipe.toml").write_text("[train"), "recipe.toml: is not valid TOML"),
    (lambda run: (run / "recipe.toml").unlink(), "recipe.toml: cannot be read"),
    (lambda run: (run / "manifest.json").unlink(), "has no manifest.json that says how the run ended"),
    (
        lambda run: (run / "manifest.json").write_text("[1]"),
        "manifest.json: is damaged, or another version of cganzoo wrote it",
    ),
    (
        lambda run: (run / "recipe.toml").write_text("[train]\nseed = 1\n"),
        "recipe.toml: data: is missing; the file is damaged, or another version of cganzoo wrote it",
    ),
    (
        lambda run: (run / "manifest.json").write_text(
            json.dumps({k: v for k, v in json.loads((run / "manifest.json").read_text()).items() if k != "evaluation"})
        ),
        "is finished, but its manifest.json has no complete scores of the last step",
    ),
]
"""What happens to a folder, and what is said of it."""


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(*one, id=one[1], marks=() if number % 3 == 0 else pytest.mark.slow)
        for number, one in enumerate(DAMAGES)
    ],
)
def test_a_damaged_folder_is_named_and_the_others_are_shown(
    command: Command, copy: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
):
    damage(copy / "mine" / "seed-1")
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert ended.code == 2, "the report is written, and the exit code says that a run is missing"
    assert message in " ".join(ended.out.split())
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
        ("evaluation.protocol", "x"),
        ("evaluation.protocol.metrics", ["fid"]),
        ("classes", 5),
        ("evaluation.per_class", [1]),
        ("calls", 3),
        ("step", "6"),
    ],
)
def test_a_manifest_value_of_another_type_is_damage(copy: Path, key: str, value: object):
    run = RunFolder(copy / "mine" / "seed-1")
    read_manifest(run)
    changed(run.manifest_file, key, value)
    with pytest.raises(DamagedError, match=f"manifest.json: is damaged.*{re.escape(key)}"):
        read_manifest(run)


@pytest.mark.parametrize(
    ("pattern", "new"),
    [(r"steps = 4\n", 'steps = "4"\n'), (r"discriminator_steps = 1\n", 'discriminator_steps = "x"\n')],
)
def test_a_recipe_value_of_another_type_is_damage(copy: Path, pattern: str, new: str):
    run = RunFolder(copy / "mine" / "seed-1")
    text, count = re.subn(f"^{pattern}", new, run.recipe_file.read_text(), flags=re.MULTILINE)
    assert count == 1
    run.recipe_file.write_text(text)
    with pytest.raises(DamagedError, match=r"recipe\.toml: train\..*steps: .*; the file is damaged"):
        read_sections(run)


def test_a_damaged_value_leaves_out_one_run_only(command: Command, copy: Path, tmp_path: Path):
    changed(copy / "mine" / "seed-1" / "manifest.json", "device", 5)
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert ended.code == 2
    assert "seed-1/manifest.json: is damaged" in " ".join(ended.out.split())
    assert [run["seed"] for run in scores_of(tmp_path / "out")["reproduce"]["runs"]] == [0]


def test_nan_in_a_manifest_is_a_missing_value(command: Command, copy: Path, tmp_path: Path):
    manifest = copy / "mine" / "seed-1" / "manifest.json"
    for key in ("evaluation.scores.fid", "evaluation.real_test.fid", "seconds"):
        changed(manifest, key, float("nan"))
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert ended.code in (0, None), ended.err
    assert cells(tmp_path / "out")[0]["rows"][0]["cells"]["fid"]["n"] == 1


def test_an_earlier_evaluation_does_not_replace_the_last_one(
    command: Command, copy: Path, finished: Path, tmp_path: Path
):
    """A run whose last scores are lost is left out; if its recipe is named, it is scored again."""
    run = copy / "mine" / "seed-1"
    before = json.loads((run / "manifest.json").read_text())["evaluation"]
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 2, "scores": {"fid": 1e6}}) + "\n")
    changed(run / "manifest.json", "evaluation", None)
    compare(command, tmp_path / "out", copy / "mine")
    assert cells(tmp_path / "out")[0]["rows"][0]["cells"]["fid"]["n"] == 1
    ended = compare(command, copy, finished.parent / "mine.toml", "--seeds", "0,1")
    assert ended.code in (0, None), ended.err
    assert json.loads((run / "manifest.json").read_text())["evaluation"] == before


def test_scores_that_the_recipe_no_longer_asks_for_are_not_shown(command: Command, copy: Path, finished: Path):
    again = ("--seeds", "0,1", "--set", "metrics=[]")
    ended = compare(command, copy, finished.parent / "mine.toml", *again)
    assert ended.code in (0, None), ended.err
    assert scores_of(copy)["scores"] == []
    assert "evaluation" not in json.loads((copy / "mine" / "seed-0" / "manifest.json").read_text())


def test_a_damaged_run_is_reported_and_left_as_it_is_while_the_others_are_trained(
    command: Command, copy: Path, finished: Path
):
    damaged = copy / "mine" / "seed-1" / "manifest.json"
    damaged.write_text("{")
    ended = compare(command, copy, finished.parent / "mine.toml", "--seeds", "0,1,2")
    assert ended.code == 2
    assert f"or remove {damaged.parent} to train the run again" in " ".join(ended.out.split())
    assert damaged.read_text() == "{"
    assert [run["seed"] for run in scores_of(copy)["reproduce"]["runs"]] == [0, 2]


def test_a_run_that_another_process_holds_has_not_failed(command: Command, copy: Path, finished: Path):
    changed(copy / "mine" / "seed-1" / "manifest.json", "status", "stopped")
    with RunFolder(copy / "mine" / "seed-1").claimed():
        ended = compare(command, copy, finished.parent / "mine.toml", "--seeds", "0,1")
    assert ended.code == 2
    text = " ".join(ended.out.split())
    assert "another cganzoo is running here; wait for it" in text
    assert "Incomplete: 1 of 2 runs" in text
    assert "failed" not in text


def test_runs_of_other_code_are_another_method(command: Command, copy: Path, tmp_path: Path):
    manifest = copy / "mine" / "seed-1" / "manifest.json"
    values = json.loads(manifest.read_text())
    for code in (values["code"], *(call["code"] for call in values["calls"])):
        code["cganzoo"] = "0" * 16
    manifest.write_text(json.dumps(values))
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert ended.code in (0, None), ended.err
    assert [row["method"] for row in cells(tmp_path / "out")[0]["rows"]] == ["mine", "mine (2)"]
    assert "The code of cganzoo is not the same in all methods: mine with" in " ".join(ended.out.split())


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
    assert "has the same recipe, code and seed (0) as" in both.err
    (row,) = cells(copy)[0]["rows"]
    assert row["cells"]["fid"]["n"] == 2


def test_replicas_that_were_measured_differently_are_named_by_their_folder(
    command: Command, copy: Path, tmp_path: Path
):
    changed(copy / "mine" / "seed-1" / "manifest.json", "evaluation.protocol.samples.count", 77)
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert ended.code == 2
    assert f"mine, seed 1 ({copy / 'mine' / 'seed-1'}) is scored differently from mine: samples.count" in ended.err
    compare(command, tmp_path / "out", copy / "mine", "--allow-mixed")
    with (tmp_path / "out" / "scores.csv").open() as file:
        protocols = {row["seed"]: row["protocol"] for row in csv.DictReader(file)}
    assert protocols["1"] != protocols["0"]


def test_a_run_with_another_metric_is_still_comparable(command: Command, copy: Path, tmp_path: Path):
    changed(copy / "mine" / "seed-1" / "manifest.json", "evaluation.protocol.metrics.mine", {"scale": 1.0})
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert ended.code in (0, None), ended.err
    with (tmp_path / "out" / "scores.csv").open() as file:
        found = {(row["seed"], row["score"]): row["protocol"] for row in csv.DictReader(file)}
    assert {seed for seed, _ in found} == {"0", "1"}
    assert all(found["0", score] == found["1", score] for _, score in found)
    assert len(set(found.values())) > 1, "each score has the fingerprint of its own metric"


def test_runs_named_one_by_one_are_replicas_and_a_seed_counts_once(command: Command, copy: Path, tmp_path: Path):
    ended = compare(command, tmp_path / "out", copy / "mine" / "seed-0", copy / "mine" / "seed-1")
    assert ended.code in (0, None), ended.err
    (row,) = cells(tmp_path / "out")[0]["rows"]
    assert row["cells"]["fid"]["n"] == 2
    shutil.copytree(copy / "mine" / "seed-0", copy / "mine" / "again")
    ended = compare(command, tmp_path / "twice", copy / "mine")
    assert ended.code == 2
    assert "has the same recipe, code and seed (0) as" in ended.err


def test_methods_of_one_name_keep_their_own_scores(command: Command, copy: Path, tmp_path: Path):
    run = Path(shutil.copytree(copy / "mine" / "seed-0", tmp_path / "other" / "mine" / "seed-0"))
    (run / "recipe.toml").write_text((run / "recipe.toml").read_text().replace("batch_size = 8", "batch_size = 9"))
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["evaluation"]["scores"]["fid"] += 100
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
    assert "contains a finished run of another recipe or of other code, without its checkpoints" in ended.err


def test_nan_in_metrics_is_a_missing_value(command: Command, copy: Path, tmp_path: Path):
    with (copy / "mine" / "seed-0" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "seconds": 1.0, "images_per_second": 5.0, "terms": {"discriminator/real": NaN}}\n')
    assert compare(command, tmp_path / "out", copy / "mine").code in (0, None)
    assert "3" not in scores_of(tmp_path / "out")["curves"]["terms"]["discriminator/real"]["mine"]["step"]


def test_one_seed_is_never_the_best(command: Command, copy: Path, tmp_path: Path):
    run = Path(shutil.copytree(copy / "mine" / "seed-0", tmp_path / "other" / "seed-0"))
    (run / "recipe.toml").write_text((run / "recipe.toml").read_text().replace("batch_size = 8", "batch_size = 9"))
    changed(run / "manifest.json", "evaluation.scores.fid", 0.0)
    ended = compare(command, tmp_path / "out", copy / "mine", tmp_path / "other")
    assert ended.code in (0, None), ended.err
    text = " ".join(ended.out.split())
    assert "mine: fid" in text
    assert "Only one seed, so nothing can be concluded about: other." in text
    marks = [row["cells"]["fid"]["mark"] for row in cells(tmp_path / "out")[0]["rows"]]
    assert marks == ["", "suspect"], "an FID of 0 is better than that of real images"


def test_unequal_numbers_of_evaluations_are_reported(command: Command, copy: Path, tmp_path: Path):
    with (copy / "mine" / "seed-1" / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 2, "scores": {"fid": 5.0}}) + "\n")
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert "so compare the last checkpoints instead: 1 for mine seed 0; 2 for mine seed 1" in " ".join(
        ended.out.split()
    )


def test_the_error_of_a_failed_run_is_shown_everywhere(command: Command, copy: Path, tmp_path: Path):
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
    assert "is for recipes, but all" in ended.err or "are runs; name a recipe" in ended.err


@pytest.mark.slow
def test_forty_methods_are_shown(command: Command, copy: Path, tmp_path: Path):
    for number in range(40):
        run = Path(shutil.copytree(copy / "mine" / "seed-0", tmp_path / "many" / f"m{number}" / "seed-0"))
        recipe = (run / "recipe.toml").read_text().replace("steps = 4", f"steps = {4 + number}")
        (run / "recipe.toml").write_text(recipe)
    ended = compare(command, tmp_path / "out", tmp_path / "many")
    assert ended.code in (0, None), ended.err
    assert len(scores_of(tmp_path / "out")["methods"]) == 40


def test_a_damaged_checkpoint_is_named_and_the_scores_are_shown(command: Command, copy: Path, tmp_path: Path):
    newest = copy / "mine" / "seed-0" / "checkpoints" / "step-00000004.pt"
    older = newest.with_name("step-00000002.pt")
    values = torch.load(newest, weights_only=True)
    torch.save(values | {"step": 2}, older)
    newest.write_bytes(b"x")
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert ended.code == 2
    assert "mine: the samples are of step 2: " in " ".join(ended.out.split())
    assert cells(tmp_path / "out")[0]["rows"][0]["cells"]["fid"]["n"] == 2
    older.write_bytes(b"x")
    ended = compare(command, tmp_path / "out", copy / "mine")
    assert ended.code == 2
    assert "mine: no samples are shown: " in " ".join(ended.out.split())
    assert "step-00000004.pt" in " ".join(ended.out.split())
    assert command("report", copy / "mine" / "seed-0", "--device", "cpu").code == 2
