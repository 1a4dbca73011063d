"""The commands as a user types them, in this process: what they print, what they write, how they end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open

import cganzoo
from cganzoo._version import API_VERSION
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


class Result:
    """What a command left behind: exit code and both outputs."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def cganzoo_command(capsys: pytest.CaptureFixture[str]):
    def call(*arguments: str | Path) -> Result:
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return Result(code, *capsys.readouterr())

    return call


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


def test_the_same_command_again_trains_nothing_more(run: Path, cganzoo_command):
    checkpoint = next((run / "checkpoints").iterdir())
    before = checkpoint.stat().st_mtime_ns
    result = cganzoo_command("run", run.parents[2] / "tiny.toml", "--out", run.parents[1])
    assert result.code == 0
    assert "is finished" in result.out
    assert "am_score" in result.out
    assert "\x1b" not in result.out
    assert checkpoint.stat().st_mtime_ns == before


def test_another_recipe_in_the_folder_is_refused_and_fresh_starts_over(run: Path, tmp_path: Path, cganzoo_command):
    shutil.copytree(run.parents[2], tmp_path / "copy")
    arguments = ["run", tmp_path / "copy" / "tiny.toml", "--out", tmp_path / "copy" / "runs", "--set", "train.steps=4"]
    refused = cganzoo_command(*arguments)
    assert refused.code == 2
    assert "train.steps is 12 there, 4 here" in refused.err
    assert "--fresh" in refused.err
    assert cganzoo_command(*arguments, "--fresh").code == 0
    manifest = json.loads((tmp_path / "copy" / "runs" / "tiny" / "seed-0" / "manifest.json").read_text())
    assert manifest["step"] == 4


def test_fresh_removes_nothing_before_the_new_run_can_start(run: Path, tmp_path: Path, cganzoo_command):
    shutil.copytree(run.parents[2], tmp_path / "copy")
    arguments = ["run", tmp_path / "copy" / "tiny.toml", "--out", tmp_path / "copy" / "runs", "--fresh"]
    for mistake in (["--device", "tpu9"], ["--set", "data.image_size=12"]):
        assert cganzoo_command(*arguments, *mistake).code == 2
    assert list((tmp_path / "copy" / "runs" / "tiny" / "seed-0" / "checkpoints").iterdir())


def test_a_start_that_failed_does_not_own_the_folder(tmp_path: Path, cganzoo_command):
    file = tmp_path / "mine.toml"
    file.write_text(SCORED.format(conditional="true", labeling="predefined"))
    arguments = ["run", file, "--out", tmp_path, "--set", "metrics=[]"]
    assert cganzoo_command(*arguments, "--set", "data.image_size=12").code == 2
    assert cganzoo_command(*arguments).code == 0


def test_a_checkpoint_of_another_recipe_is_refused(run: Path, dynamic_run: Path, tmp_path: Path, cganzoo_command):
    shutil.copytree(run.parents[2], tmp_path / "copy")
    folder = tmp_path / "copy" / "runs" / "tiny" / "seed-0"
    for checkpoint in (folder / "checkpoints").iterdir():
        checkpoint.unlink()
    shutil.copy(next((dynamic_run / "checkpoints").iterdir()), folder / "checkpoints" / "step-00000010.pt")
    again = ["run", tmp_path / "copy" / "tiny.toml", "--out", tmp_path / "copy" / "runs", "--set", "evaluation.seed=1"]
    for command in (again, ["evaluate", folder], ["export", folder, tmp_path / "x.safetensors"]):
        result = cganzoo_command(*command)
        assert result.code == 2
        assert "checkpoint is of a run of another recipe" in result.err


def test_scores_may_be_changed_after_training(run: Path, tmp_path: Path, cganzoo_command):
    shutil.copytree(run.parents[2], tmp_path / "copy")
    arguments = ["run", tmp_path / "copy" / "tiny.toml", "--out", tmp_path / "copy" / "runs"]
    result = cganzoo_command(*arguments, "--set", "evaluation.samples=40")
    assert result.code == 0
    manifest = json.loads((tmp_path / "copy" / "runs" / "tiny" / "seed-0" / "manifest.json").read_text())
    assert manifest["evaluation"]["protocol"]["samples"]["count"] == 40
    assert manifest["step"] == 12
    assert len(manifest["calls"]) == 2


def test_a_wrong_extractor_is_told_before_training(tmp_path: Path, cganzoo_command):
    file = tmp_path / "wrong.toml"
    file.write_text(
        SCORED.format(conditional="true", labeling="predefined").replace(
            "width = 4, epochs", "model = 'resnt18', epochs"
        )
    )
    result = cganzoo_command("run", file, "--out", tmp_path)
    assert result.code == 2
    assert "resnet18" in result.err
    assert not (tmp_path / "wrong" / "seed-0" / "metrics.jsonl").read_text()


def test_a_grid_before_any_score(tmp_path: Path, cganzoo_command, monkeypatch):
    monkeypatch.setenv("CGANZOO_CACHE", str(tmp_path / "cold"))
    file = tmp_path / "grid.toml"
    file.write_text(SCORED.format(conditional="false", labeling="dynamic").replace("evaluate_every = 8\n", ""))
    assert cganzoo_command("run", file, "--out", tmp_path).code == 0


def test_a_time_limit_stops_with_a_checkpoint_and_the_same_command_goes_on(tmp_path: Path, cganzoo_command):
    file = tmp_path / "timed.toml"
    file.write_text(SCORED.format(conditional="true", labeling="predefined"))
    arguments = ["run", file, "--out", tmp_path, "--set", "metrics=[]"]
    stopped = cganzoo_command(*arguments, "--for", "0s")
    assert stopped.code == 0
    assert "stopped at step 0 of 12; the same command resumes there" in stopped.out
    finished = cganzoo_command(*arguments)
    assert finished.code == 0
    assert json.loads((tmp_path / "timed" / "seed-0" / "manifest.json").read_text())["status"] == "finished"


def test_the_seed_option_names_the_folder(tmp_path: Path, cganzoo_command):
    file = tmp_path / "seeded.toml"
    file.write_text(SCORED.format(conditional="true", labeling="predefined"))
    assert cganzoo_command("run", file, "--out", tmp_path, "--seed", "3", "--set", "metrics=[]").code == 0
    assert "seed = 3" in (tmp_path / "seeded" / "seed-3" / "recipe.toml").read_text()


def test_divergence_keeps_the_last_good_checkpoint(tmp_path: Path, cganzoo_command):
    file = tmp_path / "wild.toml"
    file.write_text(SCORED.format(conditional="true", labeling="predefined"))
    result = cganzoo_command(
        "run", file, "--out", tmp_path, "--set", "metrics=[]", "--set", "train.steps=400",
        "--set", "train.checkpoint_every=1", "--set", "optimizer.generator={name='sgd', lr=1e30}",
    )  # fmt: skip
    assert result.code == 2
    assert "training diverged: loss term" in result.err
    assert "the checkpoint of step" in result.err
    assert json.loads((tmp_path / "wild" / "seed-0" / "manifest.json").read_text())["status"] == "diverged"


# --- evaluate, sample, export ---------------------------------------------------------------------------------------


def test_evaluating_with_another_extractor_leaves_the_runs_own_in_its_folder(run: Path, cganzoo_command):
    own = (run / "extractor.safetensors").read_bytes()
    other = "evaluation.extractor={name='classifier', width=4, epochs=1}"
    result = cganzoo_command("evaluate", run, "--json", "--set", other)
    assert result.code == 0
    assert json.loads(result.out)["protocol"]["extractor"]["width"] == 4
    assert (run / "extractor.safetensors").read_bytes() == own


@pytest.mark.smoke
def test_evaluate_prints_only_json_and_the_run_s_own_scores(run: Path, cganzoo_command):
    result = cganzoo_command("evaluate", run, "--json")
    assert result.code == 0
    report = json.loads(result.out)
    manifest = json.loads((run / "manifest.json").read_text())
    assert report["step"] == 12
    assert report["scores"] == manifest["evaluation"]["scores"]
    assert report["real_test"] == manifest["evaluation"]["real_test"]
    assert report["real_halves"] == manifest["evaluation"]["real_halves"]
    assert report["protocol"] == manifest["evaluation"]["protocol"]


def test_a_run_is_found_below_its_parent(run: Path, cganzoo_command):
    assert json.loads(cganzoo_command("evaluate", run.parents[1], "--json").out)["step"] == 12


def test_an_unconditional_generator_has_no_class_accuracy(dynamic_run: Path, cganzoo_command):
    scores = json.loads(cganzoo_command("evaluate", dynamic_run, "--json").out)["scores"]
    assert scores["class_accuracy"] is None
    assert scores["am_score"] > 0


@pytest.mark.smoke
def test_sample_writes_a_grid_without_the_data_set(run: Path, tmp_path: Path, cganzoo_command, monkeypatch):
    monkeypatch.setenv("CGANZOO_CACHE", str(tmp_path / "nothing here"))
    monkeypatch.setattr("cganzoo.data.cache.packed", None)
    result = cganzoo_command("sample", run, "--class", "3", "-c", "7", "-n", "20", "--out", tmp_path / "grid.png")
    assert result.code == 0, result.err
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.width > 10 * 48
        assert 2 * 48 < grid.height < 3 * 48


def test_sample_writes_single_images(run: Path, tmp_path: Path, cganzoo_command):
    assert cganzoo_command("sample", run, "--class", "3", "-n", "5", "--out", tmp_path / "threes").code == 0
    files = sorted((tmp_path / "threes").iterdir())
    assert [file.name for file in files] == [f"0000{i}-3.png" for i in range(5)]
    with Image.open(files[0]) as image:
        assert image.size == (8, 8)
        assert image.mode == "L"


def test_sample_picks_a_class_of_an_unconditional_generator_by_the_classifier(
    dynamic_run: Path, tmp_path: Path, cganzoo_command
):
    from cganzoo.evaluate import classifier
    from cganzoo.images.trained import from_run
    from cganzoo.runs.folder import RunFolder

    images = from_run(RunFolder(dynamic_run)).sample(250)
    favourite = classifier.load(dynamic_run / "extractor.safetensors")(images)[1].argmax(1).mode().values.item()
    result = cganzoo_command("sample", dynamic_run, "-c", str(favourite), "-n", "4", "-o", tmp_path / "out")
    assert result.code == 0, result.err
    assert len(list((tmp_path / "out").iterdir())) == 4


@pytest.mark.smoke
def test_export_gives_the_same_bytes_and_loads_to_the_same_images(run: Path, tmp_path: Path, cganzoo_command):
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    assert cganzoo_command("export", run, one).code == 0
    assert cganzoo_command("export", run, two).code == 0
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

    cganzoo_command("sample", run, "-c", "3", "-n", "3", "-o", tmp_path / "from-run")
    cganzoo_command("sample", one, "-c", "3", "-n", "3", "-o", tmp_path / "from-file")
    for mine, theirs in zip(
        sorted((tmp_path / "from-run").iterdir()), sorted((tmp_path / "from-file").iterdir()), strict=True
    ):
        assert mine.read_bytes() == theirs.read_bytes()


def test_two_hundred_classes_are_sampled_ten_by_ten(tmp_path: Path, cganzoo_command):
    for name in range(12):
        folder = tmp_path / "images" / f"class {name:03}"
        folder.mkdir(parents=True)
        for index in range(4):
            Image.new("RGB", (40, 32), (name * 20, index * 60, 90)).save(folder / f"{index}.png")
    file = tmp_path / "mine.toml"
    file.write_text(SCORED.format(conditional="true", labeling="predefined"))
    root = tmp_path / "images"
    result = cganzoo_command(
        "run", file, "--out", tmp_path / "runs", "--set", "data.name=folder", "--set", f"data.root={root}",
        "--set", "data.image_size=32", "--set", "metrics=[]",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert cganzoo_command("sample", tmp_path / "runs", "-o", tmp_path / "all.png").code == 0
    assert cganzoo_command("sample", tmp_path / "runs", "-o", tmp_path / "singles").code == 0
    names = [path.name for path in (tmp_path / "singles").iterdir()]
    assert len(names) == 100
    assert sum("class_009" in name for name in names) == 10
    assert not any("class_010" in name for name in names)
    moved = tmp_path / "elsewhere"
    root.rename(moved)
    assert "no such folder" in cganzoo_command("evaluate", tmp_path / "runs", "--set", "metrics=[{name='fid'}]").err


def test_nothing_to_score_is_told(tmp_path: Path, cganzoo_command):
    file = tmp_path / "unscored.toml"
    file.write_text(SCORED.format(conditional="true", labeling="predefined"))
    assert cganzoo_command("run", file, "--out", tmp_path, "--set", "metrics=[]").code == 0
    result = cganzoo_command("evaluate", tmp_path / "unscored")
    assert result.code == 2
    assert "lists no [[metrics]]" in result.err


# --- lists ----------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_plugins_as_json(cganzoo_command):
    listing = json.loads(cganzoo_command("plugins", "--json").out)
    found = {(entry["kind"], entry["component"]): entry for entry in listing["components"]}
    assert found["loss", "amgan"]["distribution"] == "cganzoo-amgan"
    assert set(found["loss", "amgan"]) >= {"version", "location", "summary"}
    assert ("dataset", "folder") in found
    assert listing["failures"] == listing["notes"] == listing["clashes"] == []
    assert all(plugin["seconds"] > 0 for plugin in listing["plugins"])
    assert (listing["host"], listing["api"]) == (cganzoo.__version__, API_VERSION)


@pytest.mark.smoke
def test_plugins_as_a_table(cganzoo_command):
    result = cganzoo_command("plugins")
    assert result.code == 0
    assert "acgan_star_plus" in result.out
    assert "cganzoo-contragan" in result.out
    assert f"cganzoo {cganzoo.__version__}, plugin API {API_VERSION}" in result.out
    assert result.err == ""


@pytest.mark.smoke
def test_one_plugin(cganzoo_command):
    result = cganzoo_command("plugins", "amgan")
    assert result.code == 0
    assert "https://arxiv.org/abs/1703.02000" in result.out
    result = cganzoo_command("plugins", "amgn")
    assert result.code == 2
    assert 'there is no component or distribution "amgn"; did you mean "amgan"' in result.err


@pytest.mark.smoke
def test_recipes_are_listed_and_copied(tmp_path: Path, cganzoo_command):
    listing = cganzoo_command("recipes").out
    assert "amgan_digits" in listing
    assert "amgan_tinyimagenet" in listing
    assert cganzoo_command("recipes", "copy", "amgan_digits", tmp_path / "mine.toml").code == 0
    assert "[loss]" in (tmp_path / "mine.toml").read_text()
    again = cganzoo_command("recipes", "copy", "amgan_digits", tmp_path / "mine.toml")
    assert again.code == 2
    assert "exists already" in again.err


@pytest.mark.smoke
def test_schema_is_json(cganzoo_command):
    schema = json.loads(cganzoo_command("schema").out)
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
    "plugin not listed": (
        ["run", "RECIPE", "--set", "requires.plugins=['cganzoo-amgan', 'cganzoo-scores']"],
        "[requires]",
    ),
    "newer host": (["run", "RECIPE", "--set", "requires.cganzoo='>=9'"], "wants cganzoo >=9"),
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
    "time": (["run", "RECIPE", "--for", "soon"], '--for soon: is no time; write it like "90s"'),
    "no run": (["evaluate", "NOWHERE"], "no such run folder"),
    "no run to sample": (["sample", "NOWHERE"], "no such run folder"),
    "export to another kind of file": (["export", "NOWHERE", "x.pt"], "must end in .safetensors"),
}


@pytest.mark.parametrize(("arguments", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gets_one_sentence(arguments: list[str], sentence: str, tmp_path: Path, cganzoo_command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(SCORED.format(conditional="true", labeling="predefined"))
    places = {"RECIPE": str(recipe), "NOWHERE": str(tmp_path / "nowhere")}
    result = cganzoo_command(*(places.get(argument, argument) for argument in arguments))
    assert result.code == 2
    assert sentence in result.err
    assert result.err.startswith("error: ")
    assert len(result.err.strip().splitlines()) == 1
    assert "Traceback" not in result.err


def test_a_damaged_manifest_is_told(run: Path, tmp_path: Path, cganzoo_command):
    shutil.copytree(run, tmp_path / "seed-0")
    manifest = tmp_path / "seed-0" / "manifest.json"
    values = json.loads(manifest.read_text())
    del values["classes"]
    for text, sentence in ((json.dumps(values), 'lacks "classes"'), ("{", "is damaged")):
        manifest.write_text(text)
        for command in ("sample", "evaluate"):
            result = cganzoo_command(command, tmp_path / "seed-0")
            assert result.code == 2
            assert sentence in result.err


def test_mistakes_with_a_run(run: Path, tmp_path: Path, cganzoo_command):
    unknown = cganzoo_command("sample", run, "--class", "eleven", "-o", tmp_path / "x.png")
    assert unknown.code == 2
    assert 'there is no class "eleven"; there are 10: 0, 1, 2' in unknown.err
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"junk")
    assert "is damaged, or `cganzoo export` did not write it" in cganzoo_command("sample", junk).err


def test_debug_shows_the_traceback(cganzoo_command):
    assert "Traceback" in cganzoo_command("--debug", "run", "nothing").err
    assert "Traceback" in cganzoo_command("run", "nothing", "--debug").err
