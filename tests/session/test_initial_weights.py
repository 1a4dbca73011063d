"""``train.init``: what is taken, what is new, and what is refused in one sentence."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from continuing import CONSTANT, Runs, error, same
from PIL import Image
from rich.console import Console

from cganzoo.console.reporter import Reporter
from cganzoo.data.cache import ImageSet
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder
from cganzoo.runs.initial_weights import with_hash
from cganzoo.runs.manifest import InitialWeights
from cganzoo.session.dataset import load_data
from cganzoo.session.initial_weights import begin_from
from cganzoo.train.engine import Engine

Resolver = Callable[..., Resolved]


def images(root: Path, *classes: str) -> Path:
    random = np.random.default_rng(0)
    for name in classes:
        (root / name).mkdir(parents=True)
        for index in range(4):
            Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).save(root / name / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("init")


@pytest.fixture(scope="module")
def sets(place: Path) -> dict[str, str]:
    """Sets of two, two other, and three classes, as overrides."""
    classes = {"two": ("a", "b"), "others": ("a", "x"), "three": ("a", "b", "c")}
    return {
        name: f"data={{name='folder', image_size=8, root='{images(place / name, *found)}'}}"
        for name, found in classes.items()
    }


@pytest.fixture(scope="module")
def source(place: Path, sets: dict[str, str], tiny: str) -> RunFolder:
    """A run of two steps on two classes."""
    from cganzoo.cli.main import main

    recipe = place / "source.toml"
    recipe.write_text(tiny)
    arguments = ["run", str(recipe), "--out", str(place), "--device", "cpu"]
    for override in (sets["two"], "train.steps=2", CONSTANT):
        arguments += ["--set", override]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert not ended.value.code
    return RunFolder(place / "source" / "seed-0")


@pytest.fixture
def runs(command: Callable[..., Any], tiny_file: Path, tmp_path: Path) -> Runs:
    return Runs(command, tiny_file, tmp_path)


def weights(source: RunFolder) -> dict[str, dict[str, torch.Tensor]]:
    state, _ = checkpoint.newest(source.checkpoints)
    assert state is not None
    found: dict[str, dict[str, torch.Tensor]] = state["modules"]
    return found


def begun(resolved: Resolved, folder: Path) -> tuple[Engine, InitialWeights | None, str]:
    """An engine before its first step, what was taken, and what was said."""
    said = io.StringIO()
    reporter = Reporter(Console(file=said, width=10_000))
    resolved = with_hash(resolved, RunFolder(folder))
    data: ImageSet = load_data(resolved, reporter)["train"]
    engine = Engine(resolved, data, torch.device("cpu"))
    said.seek(0)
    said.truncate()
    if resolved.recipe.sections.train.init is None:
        return engine, None, ""
    taken = begin_from(resolved, RunFolder(folder), engine, data.class_names, reporter)
    return engine, taken, said.getvalue()


@pytest.mark.parametrize("named", ["run", "folder above", "checkpoint", "checkpoint elsewhere"])
def test_all_weights_of_a_run_are_taken_and_nothing_else_changes(
    source: RunFolder, sets: dict[str, str], resolved: Resolver, tmp_path: Path, named: str
) -> None:
    file = checkpoint.path_of(source.checkpoints, 2)
    elsewhere = Path(shutil.copy(file, tmp_path / "some.weights"))
    init = {"run": source.path, "folder above": source.path.parent, "checkpoint": file}.get(named, elsewhere)
    plain, _, _ = begun(resolved(sets["two"]), tmp_path)
    random = torch.get_rng_state()
    engine, taken, said = begun(resolved(sets["two"], f"train.init={init}"), tmp_path)
    assert torch.equal(torch.get_rng_state(), random), "the random numbers of a run without initial weights"
    modules = engine.state()["modules"]
    found = weights(source)
    for name in ("generator", "trunk", "objective"):
        assert same(dict(modules[name]), dict(found[name]))
    assert same(dict(modules["average"]), dict(found["generator"])), "the average begins as a copy of the generator"
    for key in ("step", "position", "optimizers", "random", "terms"):
        assert same(engine.state()[key], plain.state()[key])
    assert taken is not None
    count = sum(len(found[name]) for name in ("generator", "trunk", "objective"))
    assert (taken.step, taken.taken, taken.new) == (2, count, [])
    assert f"step 2; taken: {count} tensors\n" in said


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in its folder", "copied"])
@pytest.mark.parametrize("loss", ["amgan", "projgan"])
def test_what_depends_on_the_number_of_classes_is_new_and_named(
    source: RunFolder, sets: dict[str, str], resolved: Resolver, tmp_path: Path, runs: Runs, loss: str, elsewhere: bool
) -> None:
    used = (f"loss={{name='{loss}'}}", f"requires.plugins=['cganzoo-{loss}', 'cganzoo-dcgan']")
    if loss != "amgan":
        runs("source", sets["two"], *used, CONSTANT, "train.steps=1")
        source = runs.folder("source")
    found = weights(source)
    file = next(source.checkpoints.glob("step-*.pt"))
    init = shutil.copy(file, tmp_path / "some.pt") if elsewhere else file
    plain, _, _ = begun(resolved(sets["three"], *used), tmp_path)
    engine, taken, said = begun(resolved(sets["three"], f"train.init={init}", *used), tmp_path)
    assert taken is not None
    assert taken.new
    assert f"; new, because the number of classes differs: {', '.join(taken.new)}" in said.replace("\n", " ")
    fresh = plain.state()["modules"]
    for module in ("generator", "trunk", "objective"):
        for name, tensor in engine.state()["modules"][module].items():
            new = f"{module}.{name}" in taken.new
            expected = (fresh if new else found)[module][name]
            assert torch.equal(tensor, expected), f"{module}.{name}"
            assert new == (found[module][name].shape != tensor.shape)
    assert any(name.startswith("generator.") for name in taken.new), "its input has a channel for each class"
    assert any(name.startswith("objective.") for name in taken.new)
    assert not any(name.startswith("trunk.") for name in taken.new)


def test_an_export_gives_the_generator_only(
    source: RunFolder, sets: dict[str, str], resolved: Resolver, tmp_path: Path, command: Callable[..., Any]
) -> None:
    file = tmp_path / "g.safetensors"
    assert command("export", source.path, file).code == 0
    plain, _, _ = begun(resolved(sets["two"]), tmp_path)
    engine, taken, said = begun(resolved(sets["two"], f"train.init={file}"), tmp_path)
    modules, fresh = engine.state()["modules"], plain.state()["modules"]
    assert same(dict(modules["trunk"]), dict(fresh["trunk"]))
    assert same(dict(modules["objective"]), dict(fresh["objective"]))
    average = weights(source)["average"]
    assert all(torch.equal(tensor, average[name]) for name, tensor in engine.generator.named_parameters())
    assert "the discriminator and the heads of the loss are new, because the file holds a generator only" in said
    _, taken, _ = begun(resolved(sets["three"], f"train.init={file}"), tmp_path)
    assert taken is not None
    assert taken.new


def test_another_loss_has_new_heads(
    source: RunFolder, sets: dict[str, str], resolved: Resolver, tmp_path: Path
) -> None:
    used = ("loss={name='acgan'}", "requires.plugins=['cganzoo-acgan', 'cganzoo-dcgan']")
    engine, _, said = begun(resolved(sets["two"], f"train.init={source.path}", *used), tmp_path)
    assert same(dict(engine.trunk.state_dict()), dict(weights(source)["trunk"]))
    assert 'the heads of the loss are new, because the file has those of "amgan"' in said


def test_other_classes_of_the_same_number_are_noted(
    source: RunFolder, sets: dict[str, str], resolved: Resolver, tmp_path: Path
) -> None:
    _, _, said = begun(resolved(sets["others"], f"train.init={source.path}"), tmp_path)
    assert 'note: the initial weights are of other classes: class 1 is "b" there, and "x" here' in said


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", ["two", "three"])
@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "generator.width=6",
            r"generator\.\S+ has the shape \([\d, ]+\) in the file and the shape \([\d, ]+\) in this",
        ),
        (
            "discriminator.width=6",
            r"trunk\.\S+ has the shape \([\d, ]+\) in the file and the shape \([\d, ]+\) in this",
        ),
        ("generator.latent_dim=7", r"generator\.\S+ has the shape"),
        ("generator.parametrization=none", r"generator\.\S+ has (the shape .*|no tensor of this name) in the file"),
        ("data.image_size=16", r"(generator|trunk)\.\S+ has (the shape .*|no tensor of this name) in the file"),
        ("data.channels=1", r"generator\.\S+ has the shape"),
    ],
)
def test_other_networks_are_refused_with_both_shapes(
    source: RunFolder, sets: dict[str, str], runs: Runs, classes: str, override: str, expected: str
) -> None:
    text = error(runs("one", sets[classes], f"train.init={source.path}", "train.steps=1", override))
    assert "--set train.init: " in text
    assert re.search(expected, text), text
    assert "only the number of classes may differ" in text
    assert not runs.folder("one").recipe_file.exists()


def test_files_that_hold_no_weights(source: RunFolder, sets: dict[str, str], runs: Runs, tmp_path: Path) -> None:
    file = checkpoint.path_of(source.checkpoints, 2)
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(file.read_bytes()[:-300])
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"step": 3, "modules": {"generator": {}}}, tmp_path / "other.pt")
    state = checkpoint.load(file)
    next(iter(state["modules"]["trunk"].values())).fill_(float("nan"))
    torch.save(state, tmp_path / "nan.pt")
    (tmp_path / "g.safetensors").write_bytes(b"no")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "fifo")
    cases = {
        "damaged.pt": "",
        "list.pt": "list.pt: is",
        "other.pt": "is no checkpoint of a run",
        "nan.pt": "is not finite; name a checkpoint from before the run diverged",
        "g.safetensors": "is damaged, or `cganzoo export` did not write it",
        "nowhere.pt": "no such file or folder; name a run folder, a checkpoint or an exported file",
        "empty": "holds no run",
        "a" * 300: "cannot be read: File name too long",
        "fifo": "is no regular file",
        "": '"" does not fit: string should have at least 1 character',
    }
    for name, expected in cases.items():
        value = tmp_path / name if name else '""'
        text = error(runs("one", sets["two"], "train.steps=1", f"train.init={value}"))
        assert "--set train.init: " in text
        assert expected in text
    text = error(runs("one", sets["two"], "train.steps=1", f"train.init_sha256={'0' * 64}"))
    assert 'init_sha256 is the hash of the file "init", which is missing' in text


def test_a_run_cannot_begin_from_itself(sets: dict[str, str], runs: Runs) -> None:
    runs("one", sets["two"], CONSTANT, "train.steps=1")
    files = {file: file.read_bytes() for file in runs.folder("one").path.rglob("*.pt")}
    for fresh in (False, True):
        text = error(runs("one", sets["two"], CONSTANT, f"train.init={runs.folder('one').path}", fresh=fresh))
        assert "is a checkpoint of this run, which cannot begin from itself" in text
    assert {file: file.read_bytes() for file in files} == files


# --- continuing such a run --------------------------------------------------------------------------------------------


def test_the_file_is_not_needed_again_but_may_not_change(
    source: RunFolder, sets: dict[str, str], runs: Runs, tmp_path: Path
) -> None:
    file = shutil.copy(checkpoint.path_of(source.checkpoints, 2), tmp_path / "some.pt")
    own = (sets["two"], CONSTANT)
    assert runs("one", *own, f"train.init={file}", "train.steps=1").code == 0
    folder = runs.folder("one")
    recorded = folder.manifest().init
    assert recorded.file == str(file)
    assert folder.recipe().sections.train.init_sha256 == recorded.sha256
    moved = file.rename(tmp_path / "moved.pt")
    assert "is finished" in runs("one", *own, f"train.init={file}", "train.steps=1").out, "the file is gone"
    assert runs("one", *own, f"train.init={moved}", "train.steps=2").code == 0, "the same file elsewhere"
    assert folder.manifest().init == recorded
    torch.save({**checkpoint.load(moved), "note": 1}, moved)
    text = error(runs("one", *own, f"train.init={moved}", "train.steps=3"))
    assert f"began from other initial weights, with the SHA-256 {recorded.sha256}; " in text
    pinned = (f"train.init={moved}", f"train.init_sha256={recorded.sha256}")
    assert runs("one", *own, *pinned, "train.steps=3").code == 0, "as the message says"
    assert "does not have the SHA-256 that the recipe demands" in error(runs("two", *own, *pinned, "train.steps=3"))
    assert f'train.init = "{moved}"; write that to continue it' in error(runs("one", *own, "train.steps=3"))
    runs("plain", *own, "train.steps=1")
    text = error(runs("plain", *own, f"train.init={source.path}", "train.steps=2"))
    assert "began without initial weights; remove train.init to continue it" in text


def test_a_fresh_start_without_the_file_keeps_the_run(
    source: RunFolder, sets: dict[str, str], runs: Runs, tmp_path: Path
) -> None:
    file = shutil.copy(checkpoint.path_of(source.checkpoints, 2), tmp_path / "some.pt")
    options = (sets["two"], CONSTANT, f"train.init={file}", "train.steps=1")
    runs("one", *options)
    file.unlink()
    assert "no such file or folder" in error(runs("one", *options, fresh=True))
    assert runs.folder("one").has_checkpoints()


def test_a_resolved_recipe_repeats_the_run_to_the_bit(
    source: RunFolder, sets: dict[str, str], runs: Runs, command: Callable[..., Any], tmp_path: Path
) -> None:
    runs("one", sets["two"], CONSTANT, f"train.init={source.path}", "train.steps=2")
    recipe = runs.folder("one").recipe_file
    assert command("run", recipe, "--out", tmp_path / "again", "--device", "cpu").code == 0
    state, _ = checkpoint.newest(tmp_path / "again" / "recipe" / "seed-0" / "checkpoints")
    assert state is not None
    state.pop("seconds")
    assert same(state, runs.state("one"))
