"""What cannot be scored is refused before the training; a metric that fails after it costs its own scores alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from cganzoo_scores.class_accuracy import ClassAccuracy
from cganzoo_scores.fid import FID
from comparing import PLUGINS, SCORED
from image_files import fill

from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder

STEPS = 4
Command = Callable[..., Any]


@pytest.fixture
def recipe(tmp_path: Path, tiny: str) -> Path:
    """A tiny run with the scores ``fid`` and ``class_accuracy``."""
    file = tmp_path / "tiny.toml"
    plugins = PLUGINS.replace("]", ', "cganzoo-scores"]')
    file.write_text(tiny.replace(PLUGINS, plugins).replace("steps = 20", f"steps = {STEPS}") + SCORED)
    return file


@pytest.fixture
def run(recipe: Path, tmp_path: Path, command: Command) -> Command:
    """``run("train.steps=3", metrics='{name = "kid"}')``: the command ``cganzoo run``."""

    def call(*overrides: str, metrics: str = "") -> Any:
        overrides = (*overrides, f"metrics=[{metrics}]") if metrics else overrides
        sets = [part for override in overrides for part in ("--set", override)]
        return command("run", recipe, "--out", tmp_path / "runs", "--device", "cpu", *sets)

    return call


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """The folder of the run."""
    return RunFolder(tmp_path / "runs" / "tiny" / "seed-0")


def fail(*arguments: object) -> None:
    raise TypeError("no such thing")


REASON = r"TypeError: no such thing; report this to the plugin's author"


# --- after the training ---------------------------------------------------------------------------------------------


def test_a_failed_metric_is_reported_and_the_run_keeps_its_other_scores(
    run: Command, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(FID, "compute", fail)
        result = run("train.evaluate_every=2")
    assert result.code == 0
    assert result.out.count(f'metric "fid" failed: {REASON}') == 2, "once for each evaluation"
    manifest = folder.manifest()
    assert manifest.status == "finished"
    assert manifest.evaluation is not None
    assert manifest.evaluation.failures == {"fid": REASON}
    assert manifest.evaluation.scores["fid"] is None
    assert manifest.evaluation.scores["class_accuracy"] is not None
    assert [record["step"] for record in folder.records() if "scores" in record] == [2, 4]
    row = next(line for line in result.out.splitlines() if line.strip().startswith("fid ↓"))
    assert row.split()[2] == "failed"
    assert "score fid: failed (real test " in folder.log_file.read_text()


def test_a_run_with_a_failed_metric_is_scored_again_by_the_same_command(
    run: Command, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(FID, "compute", fail)
        run()
    weights = checkpoint.path_of(folder.checkpoints, STEPS).read_bytes()
    assert "is trained, but a metric failed; it is scored again" in run().out
    evaluation = folder.manifest().evaluation
    assert evaluation is not None
    assert (evaluation.failures, evaluation.scores["fid"] is None) == ({}, False)
    assert checkpoint.path_of(folder.checkpoints, STEPS).read_bytes() == weights
    assert "is finished" in run().out


def test_a_failed_metric_is_shown_if_the_weights_are_gone(
    run: Command, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FID, "compute", fail)
    run()
    checkpoint.path_of(folder.checkpoints, STEPS).unlink()
    again = run()
    assert again.code == 0
    assert "is finished" in again.out
    assert f'metric "fid" failed: {REASON}' in again.out
    assert not list(folder.checkpoints.glob("*.pt"))


def test_evaluate_fails_only_if_every_metric_does(
    run: Command, command: Command, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run().code == 0
    monkeypatch.setattr(FID, "compute", fail)
    result = command("evaluate", folder.path, "--json")
    assert result.code == 0
    printed = json.loads(result.out)
    assert printed["failures"] == {"fid": REASON}
    assert printed["scores"]["class_accuracy"] is not None
    assert f'metric "fid" failed: {REASON}' in result.err
    monkeypatch.setattr(ClassAccuracy, "compute", fail)
    result = command("evaluate", folder.path)
    assert result.code == 2
    assert "no metric could be computed" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_the_weights_are_saved_before_anything_is_scored(
    error: type[BaseException], run: Command, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(FID, "update", stop)
        run()
    state, _ = checkpoint.newest(folder.checkpoints)
    assert state is not None
    assert state["step"] == STEPS
    assert run().code == 0
    assert folder.manifest().status == "finished"


# --- before the training --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (
            '{name = "inception_score", splits = 41}',
            "at least 41 samples with splits = 41, and evaluation.samples = 40; change that option, or raise "
            "evaluation.samples, or remove this metric",
        ),
        ('{name = "prdc", nearest_k = 40}', "at least 41 samples with nearest_k = 40, and evaluation.samples = 40"),
    ],
)
def test_what_the_recipe_makes_impossible_is_refused_when_it_is_read(
    metrics: str, message: str, run: Command, folder: RunFolder
) -> None:
    result = run(metrics=metrics)
    assert result.code == 2
    assert f"--set metrics: metric {metrics.split()[2].strip(',')} needs {message}" in " ".join(result.err.split())
    assert not folder.manifest_file.exists()


@pytest.mark.parametrize("metric", ["fid", "kid"])
def test_one_sample_is_refused_by_a_score_of_two(metric: str, run: Command, recipe: Path, folder: RunFolder) -> None:
    recipe.write_text(recipe.read_text().replace('"fid"', f'"{metric}"'))
    result = run("evaluation.samples=1")
    assert result.code == 2
    expected = f'tiny.toml: metrics: metric "{metric}" needs at least 2 samples, and evaluation.samples = 1; raise'
    assert expected in " ".join(result.err.split())


def test_what_the_data_set_makes_impossible_is_refused_before_the_first_step(run: Command, folder: RunFolder) -> None:
    result = run("evaluation.samples=19", metrics='{name = "intra_fid"}, {name = "fid"}')
    assert result.code == 2
    assert (
        'metric "intra_fid" needs at least 2 samples of each class, and evaluation.samples = 19 gives some of the 10 '
        "classes 1; raise evaluation.samples to 20, or remove this metric" in " ".join(result.err.split())
    )
    assert not list(folder.checkpoints.glob("*"))
    assert not folder.extractor_file.exists(), "the extractor need not be trained to find this out"
    # The images and the weights are the run's own, so the number of samples may be corrected.
    assert run("evaluation.samples=20", metrics='{name = "intra_fid"}, {name = "fid"}').code == 0


def test_a_class_of_one_image_is_named(run: Command, tmp_path: Path, folder: RunFolder) -> None:
    names = [f"{split}/{kind}/{index}.png" for split in ("train", "test") for kind in "abc" for index in range(8)]
    images = fill(tmp_path / "images", *names, "train/[rare]/0.png", "test/[rare]/0.png")
    result = run(
        'data.name="folder"', "data.channels=1", f'data.root="{images}"', metrics='{name = "fid"}, {name = "intra_fid"}'
    )
    assert result.code == 2
    assert (
        'metric "intra_fid" needs at least 2 real images of each class, and class "[rare]" has 1 in the train split; '
        "add images of it, or leave the class out, or remove this metric" in " ".join(result.err.split())
    )
    assert not list(folder.checkpoints.glob("*"))


def test_evaluate_refuses_before_it_scores(run: Command, command: Command, folder: RunFolder) -> None:
    assert run().code == 0
    before = folder.manifest_file.read_bytes()
    metrics = 'metrics=[{name="fid"},{name="intra_fid"}]'
    result = command("evaluate", folder.path, "--set", metrics, "--set", "evaluation.samples=10")
    assert result.code == 2
    assert 'metric "intra_fid" needs at least 2 samples of each class' in " ".join(result.err.split())
    assert folder.manifest_file.read_bytes() == before


def test_a_score_that_will_be_undefined_is_announced(run: Command, folder: RunFolder) -> None:
    result = run("generator.conditional=false", 'loss.labeling="dynamic"')
    assert result.code == 0
    note = 'note: metric "class_accuracy" will have no score, because the generator takes no class'
    assert result.out.count(note) == 1
    evaluation = folder.manifest().evaluation
    assert evaluation is not None
    assert (evaluation.failures, evaluation.scores["class_accuracy"]) == ({}, None)


def test_memory_that_runs_out_while_scoring_is_the_failure_of_one_metric(
    run: Command, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FID, "update", lambda *arguments: torch.empty(1 << 60))
    assert run().code == 0
    evaluation = folder.manifest().evaluation
    assert evaluation is not None
    assert evaluation.failures["fid"].startswith("out of memory")
    assert evaluation.scores["class_accuracy"] is not None
