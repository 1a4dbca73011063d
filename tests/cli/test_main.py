"""The commands as a user types them, in this process: what they print, what they write, how they end."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open

import cganzoo
from cganzoo.cli.main import main
from cganzoo.errors import RunError

SCORED = """
[requires]
plugins = ["cganzoo-amgan", "cganzoo-dcgan", "cganzoo-scores"]
[data]
name = "digits"
image_size = 8
[generator]
name = "dcgan"
width = 4
latent_dim = 8
conditional = {conditional}
[discriminator]
name = "dcgan"
width = 4
[loss]
name = "amgan"
labeling = "{labeling}"
[optimizer.generator]
name = "adam"
lr = 1e-3
[optimizer.discriminator]
name = "adam"
lr = 1e-3
[train]
steps = 12
batch_size = 16
log_every = 4
evaluate_every = 8
sample_every = 8
[evaluation]
samples = 60
extractor = {{ name = "classifier", width = 4, epochs = 2 }}
[[metrics]]
name = "am_score"
[[metrics]]
name = "class_accuracy"
"""


def train(folder: Path, name: str, **values: str) -> Path:
    """Train a tiny run in this process; returns its folder."""
    file = folder / f"{name}.toml"
    file.write_text(SCORED.format(**values))
    with pytest.raises(SystemExit) as ended:
        main(["run", str(file), "--out", str(folder / "runs"), "--device", "cpu"])
    assert ended.value.code == 0
    return folder / "runs" / name / "seed-0"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a conditional generator."""
    return train(tmp_path_factory.mktemp("cli"), "tiny", conditional="true", labeling="predefined")


@pytest.fixture(scope="module")
def dynamic_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of an unconditional generator."""
    return train(tmp_path_factory.mktemp("cli"), "dynamic", conditional="false", labeling="dynamic")


# --- run ------------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_a_run_leaves_a_whole_folder(run: Path):
    names = {path.name for path in run.iterdir()}
    assert {
        "recipe.toml",
        "manifest.json",
        "metrics.jsonl",
        "log.txt",
        "samples",
        "checkpoints",
        "extractor.safetensors",
    } <= names
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["step"] == 12
    assert manifest["seed"] == 0
    assert manifest["versions"]["distributions"]["cganzoo-amgan"]["version"] == "0.1.0"
    shown = {"am_score", "am_kl", "am_entropy", "am_score_se"}
    shown |= {"class_accuracy", "class_accuracy_worst", "class_accuracy_se"}
    evaluation = manifest["evaluation"]
    assert set(evaluation["scores"]) == set(evaluation["real_test"]) == set(evaluation["real_halves"]) == shown
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if "terms" in record] == [4, 8, 12]
    assert [record["step"] for record in records if "scores" in record] == [8, 12]
    assert set(records[0]["terms"]) == {"discriminator/real", "discriminator/fake", "generator/activation"}
    assert [path.name for path in sorted((run / "samples").iterdir())] == ["step-00000008.png", "step-00000012.png"]
    log = (run / "log.txt").read_text()
    assert "score am_score" in log
    assert "\x1b" not in log


def test_the_same_command_again_trains_nothing_more(run: Path, command):
    checkpoint = next((run / "checkpoints").iterdir())
    before = checkpoint.stat().st_mtime_ns
    result = command("run", run.parents[2] / "tiny.toml", "--out", run.parents[1])
    assert result.code == 0
    assert "is finished" in result.out
    assert "am_score" in result.out
    assert "\x1b" not in result.out
    assert checkpoint.stat().st_mtime_ns == before


def test_another_recipe_in_the_folder_is_refused_and_fresh_starts_over(run: Path, tmp_path: Path, command):
    copy = Path(shutil.copytree(run.parents[2], tmp_path / "copy"))
    arguments = ["run", copy / "tiny.toml", "--out", copy / "runs", "--set", "train.batch_size=4"]
    refused = command(*arguments)
    assert refused.code == 2
    assert "train.batch_size is 16 there, 4 here" in refused.err
    assert "--fresh" in refused.err
    assert command(*arguments, "--set", "train.steps=4", "--fresh").code == 0
    manifest = json.loads((copy / "runs" / "tiny" / "seed-0" / "manifest.json").read_text())
    assert manifest["step"] == 4


def test_fresh_removes_nothing_before_the_new_run_can_start(run: Path, tmp_path: Path, command):
    shutil.copytree(run.parents[2], tmp_path / "copy")
    arguments = ["run", tmp_path / "copy" / "tiny.toml", "--out", tmp_path / "copy" / "runs", "--fresh"]
    for mistake in (["--device", "tpu9"], ["--set", "data.image_size=12"]):
        assert command(*arguments, *mistake).code == 2
    assert list((tmp_path / "copy" / "runs" / "tiny" / "seed-0" / "checkpoints").iterdir())


def test_a_start_that_failed_does_not_own_the_folder(tmp_path: Path, command):
    file = tmp_path / "mine.toml"
    file.write_text(SCORED.format(conditional="true", labeling="predefined"))
    arguments = ["run", file, "--out", tmp_path, "--set", "metrics=[]"]
    assert command(*arguments, "--set", "data.image_size=12").code == 2
    assert command(*arguments).code == 0


def test_a_checkpoint_of_another_recipe_is_refused(run: Path, dynamic_run: Path, tmp_path: Path, command):
    shutil.copytree(run.parents[2], tmp_path / "copy")
    folder = tmp_path / "copy" / "runs" / "tiny" / "seed-0"
    for checkpoint in (folder / "checkpoints").iterdir():
        checkpoint.unlink()
    shutil.copy(next((dynamic_run / "checkpoints").iterdir()), folder / "checkpoints")
    again = ["run", tmp_path / "copy" / "tiny.toml", "--out", tmp_path / "copy" / "runs", "--set", "evaluation.seed=1"]
    for arguments in (again, ["evaluate", folder], ["export", folder, tmp_path / "x.safetensors"]):
        result = command(*arguments)
        assert result.code == 2
        assert "the checkpoint is from another run" in result.err


def test_scores_may_be_changed_after_training(run: Path, tmp_path: Path, command):
    shutil.copytree(run.parents[2], tmp_path / "copy")
    arguments = ["run", tmp_path / "copy" / "tiny.toml", "--out", tmp_path / "copy" / "runs"]
    result = command(*arguments, "--set", "evaluation.samples=40")
    assert result.code == 0
    manifest = json.loads((tmp_path / "copy" / "runs" / "tiny" / "seed-0" / "manifest.json").read_text())
    assert manifest["evaluation"]["protocol"]["samples"]["count"] == 40
    assert manifest["step"] == 12
    assert len(manifest["calls"]) == 2


def test_a_wrong_extractor_is_refused_before_training(tmp_path: Path, command):
    file = tmp_path / "wrong.toml"
    file.write_text(
        SCORED.format(conditional="true", labeling="predefined").replace(
            "width = 4, epochs", "model = 'resnt18', epochs"
        )
    )
    result = command("run", file, "--out", tmp_path)
    assert result.code == 2
    assert "resnet18" in result.err
    assert not (tmp_path / "wrong" / "seed-0" / "metrics.jsonl").exists()


def test_a_grid_before_any_score(tmp_path: Path, command, monkeypatch):
    monkeypatch.setenv("CGANZOO_CACHE", str(tmp_path / "cold"))
    file = tmp_path / "grid.toml"
    file.write_text(SCORED.format(conditional="false", labeling="dynamic").replace("evaluate_every = 8\n", ""))
    assert command("run", file, "--out", tmp_path).code == 0


def test_a_time_limit_stops_with_a_checkpoint_and_the_same_command_resumes(tmp_path: Path, command):
    file = tmp_path / "timed.toml"
    file.write_text(SCORED.format(conditional="true", labeling="predefined"))
    arguments = ["run", file, "--out", tmp_path, "--set", "metrics=[]"]
    stopped = command(*arguments, "--for", "0s")
    assert stopped.code == 0
    assert "stopped at step 0 of 12; the same command resumes there" in stopped.out
    finished = command(*arguments)
    assert finished.code == 0
    assert json.loads((tmp_path / "timed" / "seed-0" / "manifest.json").read_text())["status"] == "finished"


def test_the_seed_option_names_the_folder(tmp_path: Path, command):
    file = tmp_path / "seeded.toml"
    file.write_text(SCORED.format(conditional="true", labeling="predefined"))
    assert command("run", file, "--out", tmp_path, "--seed", "3", "--set", "metrics=[]").code == 0
    assert "seed = 3" in (tmp_path / "seeded" / "seed-3" / "recipe.toml").read_text()


def test_divergence_keeps_the_last_good_checkpoint(tmp_path: Path, command):
    file = tmp_path / "wild.toml"
    file.write_text(SCORED.format(conditional="true", labeling="predefined"))
    result = command(
        "run", file, "--out", tmp_path, "--set", "metrics=[]", "--set", "train.steps=400",
        "--set", "train.checkpoint_every=1", "--set", "optimizer.generator={name='sgd', lr=1e30}",
    )  # fmt: skip
    assert result.code == 2
    assert "training diverged: loss term" in result.err
    assert "the checkpoint of step" in result.err
    assert json.loads((tmp_path / "wild" / "seed-0" / "manifest.json").read_text())["status"] == "diverged"


# --- evaluate, sample, export ---------------------------------------------------------------------------------------


def test_evaluating_with_another_extractor_leaves_the_runs_own_in_its_folder(run: Path, command):
    own = (run / "extractor.safetensors").read_bytes()
    other = "evaluation.extractor={name='classifier', width=4, epochs=1}"
    result = command("evaluate", run, "--json", "--set", other)
    assert result.code == 0
    assert json.loads(result.out)["protocol"]["extractor"]["width"] == 4
    assert (run / "extractor.safetensors").read_bytes() == own


@pytest.mark.smoke
def test_evaluate_prints_only_json_and_the_run_s_own_scores(run: Path, command):
    result = command("evaluate", run, "--json")
    assert result.code == 0
    report = json.loads(result.out)
    manifest = json.loads((run / "manifest.json").read_text())
    assert report["step"] == 12
    assert report["scores"] == manifest["evaluation"]["scores"]
    assert report["real_test"] == manifest["evaluation"]["real_test"]
    assert report["real_halves"] == manifest["evaluation"]["real_halves"]
    protocol = report["protocol"]
    assert protocol == manifest["evaluation"]["protocol"]
    assert set(protocol["fingerprints"]) == set(protocol["metrics"])
    assert all(re.fullmatch("[0-9a-f]{16}", digits) for digits in protocol["fingerprints"].values())


def test_a_run_is_found_below_its_parent(run: Path, command):
    assert json.loads(command("evaluate", run.parents[1], "--json").out)["step"] == 12


def test_an_unconditional_generator_has_no_class_accuracy(dynamic_run: Path, command):
    scores = json.loads(command("evaluate", dynamic_run, "--json").out)["scores"]
    assert scores["class_accuracy"] is None
    assert scores["am_score"] > 0


@pytest.mark.smoke
def test_sample_writes_a_grid_without_the_data_set(run: Path, tmp_path: Path, command, monkeypatch):
    monkeypatch.setenv("CGANZOO_CACHE", str(tmp_path / "nothing here"))
    monkeypatch.setattr("cganzoo.data.cache.packed", None)
    result = command("sample", run, "--class", "3", "-c", "7", "-n", "20", "--out", tmp_path / "grid.png")
    assert result.code == 0, result.err
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.width > 10 * 48
        assert 2 * 48 < grid.height < 3 * 48


def test_sample_writes_single_images(run: Path, tmp_path: Path, command):
    assert command("sample", run, "--class", "3", "-n", "5", "--out", tmp_path / "threes").code == 0
    files = sorted((tmp_path / "threes").iterdir())
    assert [file.name for file in files] == [f"0000{i}-3.png" for i in range(5)]
    with Image.open(files[0]) as image:
        assert image.size == (8, 8)
        assert image.mode == "L"


def test_sample_picks_a_class_of_an_unconditional_generator_by_the_classifier(
    dynamic_run: Path, tmp_path: Path, command
):
    from cganzoo.evaluate import classifier
    from cganzoo.images.trained_generator import from_run
    from cganzoo.runs.folder import RunFolder

    images = from_run(RunFolder(dynamic_run)).sample(250)
    favourite = classifier.load(dynamic_run / "extractor.safetensors")(images)[1].argmax(1).mode().values.item()
    result = command("sample", dynamic_run, "-c", str(favourite), "-n", "4", "-o", tmp_path / "out")
    assert result.code == 0, result.err
    assert len(list((tmp_path / "out").iterdir())) == 4


@pytest.mark.smoke
def test_export_gives_the_same_bytes_and_loads_to_the_same_images(run: Path, tmp_path: Path, command):
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    assert command("export", run, one).code == 0
    assert command("export", run, two).code == 0
    assert one.read_bytes() == two.read_bytes()
    with safe_open(one, "pt") as file:
        entry = json.loads(file.metadata()["cganzoo"])
    assert 'name = "amgan"' in entry["recipe"]
    assert entry["provenance"]["versions"]["distributions"]["cganzoo-dcgan"]["version"] == "0.1.0"

    generator = cganzoo.load_generator(one)
    images = generator.sample(6, classes=["3", 4], seed=5)
    assert images.shape == (6, 1, 8, 8)
    assert images.abs().max() <= 1
    assert torch.equal(images, generator.sample(6, classes=["3", 4], seed=5))
    assert generator(torch.randn(2, generator.latent_dim), torch.tensor([0, 1])).shape == (2, 1, 8, 8)
    with pytest.raises(RunError, match='there is no class "x"'):
        generator.sample(1, classes=["x"])

    command("sample", run, "-c", "3", "-n", "3", "-o", tmp_path / "from-run")
    command("sample", one, "-c", "3", "-n", "3", "-o", tmp_path / "from-file")
    for mine, theirs in zip(
        sorted((tmp_path / "from-run").iterdir()), sorted((tmp_path / "from-file").iterdir()), strict=True
    ):
        assert mine.read_bytes() == theirs.read_bytes()


def test_two_hundred_classes_are_sampled_ten_by_ten(tmp_path: Path, command):
    for name in range(12):
        folder = tmp_path / "images" / f"class {name:03}"
        folder.mkdir(parents=True)
        for index in range(4):
            Image.new("RGB", (40, 32), (name * 20, index * 60, 90)).save(folder / f"{index}.png")
    file = tmp_path / "mine.toml"
    file.write_text(SCORED.format(conditional="true", labeling="predefined"))
    root = tmp_path / "images"
    result = command(
        "run", file, "--out", tmp_path / "runs", "--set", "data.name=folder", "--set", f"data.root={root}",
        "--set", "data.image_size=32", "--set", "metrics=[]",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert command("sample", tmp_path / "runs", "-o", tmp_path / "all.png").code == 0
    assert command("sample", tmp_path / "runs", "-o", tmp_path / "singles").code == 0
    names = [path.name for path in (tmp_path / "singles").iterdir()]
    assert len(names) == 100
    assert sum("class_009" in name for name in names) == 10
    assert not any("class_010" in name for name in names)
    moved = tmp_path / "elsewhere"
    root.rename(moved)
    assert "no such folder" in command("evaluate", tmp_path / "runs", "--set", "metrics=[{name='fid'}]").err


def test_evaluating_a_run_without_metrics_is_a_mistake(tmp_path: Path, command):
    file = tmp_path / "unscored.toml"
    file.write_text(SCORED.format(conditional="true", labeling="predefined"))
    assert command("run", file, "--out", tmp_path, "--set", "metrics=[]").code == 0
    result = command("evaluate", tmp_path / "unscored")
    assert result.code == 2
    assert "lists no [[metrics]]" in result.err


def test_a_damaged_manifest_is_a_mistake(run: Path, tmp_path: Path, command):
    shutil.copytree(run, tmp_path / "seed-0")
    manifest = tmp_path / "seed-0" / "manifest.json"
    values = json.loads(manifest.read_text())
    del values["classes"]
    for text, sentence in ((json.dumps(values), 'lacks "classes"'), ("{", "is damaged")):
        manifest.write_text(text)
        for verb in ("sample", "evaluate"):
            result = command(verb, tmp_path / "seed-0")
            assert result.code == 2
            assert sentence in result.err


def test_mistakes_with_a_run(run: Path, tmp_path: Path, command):
    unknown = command("sample", run, "--class", "eleven", "-o", tmp_path / "x.png")
    assert unknown.code == 2
    assert 'there is no class "eleven"; there are 10: 0, 1, 2' in unknown.err
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"junk")
    assert "is damaged, or `cganzoo export` did not write it" in command("sample", junk).err
