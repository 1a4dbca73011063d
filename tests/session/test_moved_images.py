"""A run whose images lie elsewhere now: the same images continue it, other images do not."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from comparing import PLUGINS, SCORED
from continuing import CONSTANT, Runs, error, same
from PIL import Image

from cganzoo.recipe.digests import digest, training_values
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder


def images(root: Path, seed: int = 0) -> Path:
    """Two classes of six random images."""
    random = np.random.default_rng(seed)
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for index in range(6):
            pixels = random.integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


@pytest.fixture
def runs(command: Callable[..., Any], tiny_file: Path, tmp_path: Path) -> Runs:
    images(tmp_path / "here")
    return Runs(command, tiny_file, tmp_path)


def at(place: Path | str) -> str:
    return f"data={{name='folder', image_size=8, root='{place}'}}"


def test_the_same_images_in_another_place_continue_the_run(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs("moved", at(tmp_path / "here"), CONSTANT, "train.steps=3")
    runs("stayed", at(tmp_path / "here"), CONSTANT, "train.steps=7")
    there = tmp_path / "there"
    (tmp_path / "here").rename(there)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in sorted(there.rglob("*.png")):
            archive.write(file, file.relative_to(there))
    monkeypatch.chdir(tmp_path)
    for steps, place in ((4, there), (5, "there"), (6, "set.zip"), (7, tmp_path / "set.zip")):
        result = runs("moved", at(place), CONSTANT, f"train.steps={steps}")
        assert result.code == 0, result.err
        assert f"resuming from step {steps - 1}" in result.out
        folder = runs.folder("moved")
        assert folder.recipe().sections.data.options["root"] == str(place), "the recipe says where they are now"
    assert same(runs.state("moved"), runs.state("stayed"))
    assert folder.manifest().recipe_digest == runs.folder("stayed").manifest().recipe_digest
    assert "is finished" in runs("moved", at(there), CONSTANT, "train.steps=7").out


def test_other_images_in_the_same_place_are_refused_and_nothing_changes(runs: Runs, tmp_path: Path) -> None:
    here = tmp_path / "here"
    runs("one", at(here), CONSTANT, "train.steps=3")
    shutil.rmtree(here)
    images(here, seed=1)
    folder = runs.folder("one").path
    files = {
        file: file.read_bytes() for file in folder.rglob("*") if file.suffix in (".pt", ".toml", ".json", ".jsonl")
    }
    elsewhere = images(tmp_path / "elsewhere", seed=2)
    for place, steps in ((here, 4), (elsewhere, 4), (elsewhere, 3)):  # after 3 steps, the run is finished
        text = error(runs("one", at(place), CONSTANT, f"train.steps={steps}"))
        assert "the images are not those that this run began with" in text
    assert {file: file.read_bytes() for file in files} == files


def test_images_of_an_unknown_fingerprint_may_not_move(runs: Runs, tmp_path: Path) -> None:
    runs("one", at(tmp_path / "here"), CONSTANT, "train.steps=2")
    runs.folder("one").manifest_file.unlink()
    elsewhere = images(tmp_path / "elsewhere", seed=2)
    assert "(data.root is " in error(runs("one", at(elsewhere), CONSTANT, "train.steps=3"))
    assert runs("one", at(tmp_path / "here"), CONSTANT, "train.steps=3").code == 0


def as_0_1_wrote_it(folder: RunFolder, resolved: Resolved) -> None:
    """Give the folder's files the digests of cganzoo 0.1, which covered the place of the images."""
    values = resolved.identity(places=True)
    of_recipe, of_training = digest(values), digest(training_values(values))
    assert of_training != resolved.training_digest()
    manifest = json.loads(folder.manifest_file.read_text())
    for name in ("version", "recipe_digest", "training_digest"):
        del manifest[name]
    for call in manifest["calls"]:
        del call["steps"], call["training_digest"]
    manifest |= {"recipe": of_recipe, "training": of_training, **manifest.pop("evaluation", {})}
    folder.manifest_file.write_text(json.dumps(manifest))
    for step in checkpoint.steps(folder.checkpoints):
        file = checkpoint.path_of(folder.checkpoints, step)
        state = torch.load(file, weights_only=True)
        del state["training_digest"]
        torch.save({**state, "recipe": of_training}, file)


@pytest.mark.parametrize("killed", ["", "_resume", "_train_and_score"])
def test_a_run_of_0_1_is_resumed_after_a_move(
    runs: Runs, tmp_path: Path, resolved: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    from cganzoo.session.run import Session

    here, there = tmp_path / "here", tmp_path / "there"
    runs("old", at(here), CONSTANT, "train.steps=3")
    as_0_1_wrote_it(runs.folder("old"), resolved(at(here), CONSTANT, "train.steps=3"))
    assert "is finished" in runs("old", at(here), CONSTANT, "train.steps=3").out
    here.rename(there)
    assert "is finished" in runs("old", at(there), CONSTANT, "train.steps=3").out
    if killed:
        with monkeypatch.context() as patch:
            patch.setattr(Session, killed, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            assert runs("old", at(there), CONSTANT, "train.steps=4").code == 130
    result = runs("old", at(there), CONSTANT, "train.steps=5")
    assert result.code == 0, result.err
    assert "resuming from step 3" in result.out
    runs("new", at(there), CONSTANT, "train.steps=5")
    assert same(runs.state("old"), runs.state("new"))


def test_a_run_of_0_1_gives_its_generator_after_a_move(
    runs: Runs, tmp_path: Path, resolved: Callable[..., Resolved], command: Callable[..., Any]
) -> None:
    here = tmp_path / "here"
    runs("old", at(here), CONSTANT, "train.steps=3")
    folder = runs.folder("old")
    as_0_1_wrote_it(folder, resolved(at(here), CONSTANT, "train.steps=3"))
    here.rename(tmp_path / "there")
    assert command("export", folder.path, tmp_path / "g.safetensors").code == 0


def test_evaluating_a_run_whose_images_moved(
    runs: Runs, tmp_path: Path, tiny_file: Path, command: Callable[..., Any]
) -> None:
    plugins = 'plugins = ["cganzoo-amgan", "cganzoo-dcgan", "cganzoo-scores"]'
    scored = SCORED.replace("samples = 40", "samples = 8")
    tiny_file.write_text(tiny_file.read_text().replace(PLUGINS, plugins) + scored)
    here, there = tmp_path / "here", tmp_path / "there"
    runs("one", at(here), "train.steps=2")
    folder = runs.folder("one")
    here.rename(there)
    text = error(command("evaluate", folder.path, "--device", "cpu"))
    assert f'data.root = "{here}": no such folder' in text
    assert f"if the images moved, name their new place: cganzoo evaluate {folder.path} --set data.root=PLACE" in text
    result = command("evaluate", folder.path, "--device", "cpu", "--json", "--set", f"data.root={there}")
    assert result.code == 0, result.err
    kept = folder.manifest().evaluation
    assert kept is not None
    assert json.loads(result.out)["scores"] == kept.scores
    images(here, seed=1)
    assert "the images are not those" in error(command("evaluate", folder.path, "--device", "cpu"))
