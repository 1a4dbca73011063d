"""``kill -9`` at any instant, then the same command: the final weights are those of a run that was never stopped."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder

RECIPE = """
[requires]
plugins = ["cganzoo-acgan", "cganzoo-dcgan"]
[data]
name = "digits"
image_size = 8
[generator]
name = "dcgan"
width = 4
[discriminator]
name = "dcgan"
width = 4
[loss]
name = "acgan"
generator_class_weight = { from = 1.0, to = 0.1 }
[optimizer.generator]
name = "adam"
lr = { from = 1e-3, to = 0.0, curve = "cosine" }
[optimizer.discriminator]
name = "sgd"
lr = 1e-2
momentum = 0.5
[train]
steps = 60
batch_size = 16
discriminator_steps = 2
log_every = 4
checkpoint_every = 7
"""

# Runs the command line in a process that kills itself: PLACE is patched to do so at its Nth call.
KILLED = """
import os, signal, sys
import cganzoo._util.files, cganzoo.runs.checkpoint, cganzoo.runs.folder, cganzoo.train.engine
from cganzoo.cli.main import main
place, n = sys.argv[1], int(sys.argv[2])
owner, name = {
    "step": (cganzoo.train.engine.Engine, "advance"),
    "half-written checkpoint": (cganzoo._util.files.os, "fsync"),
    "whole checkpoint without its name": (cganzoo._util.files.os, "replace"),
    "log line": (cganzoo.runs.folder.RunFolder, "append"),
    "manifest": (cganzoo.runs.folder.RunFolder, "update_manifest"),
}[place]
original, calls = getattr(owner, name), 0
def patched(*args, **kwargs):
    global calls
    calls += 1
    if calls == n:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args, **kwargs)
setattr(owner, name, patched)
main(sys.argv[3:])
"""


def command(recipe: Path, out: Path) -> list[str]:
    return ["run", str(recipe), "--out", str(out), "--device", "cpu"]


def start(arguments: list[str], code: str = "from cganzoo.cli.main import main; main()") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return output


def final_state(out: Path) -> dict[str, object]:
    folder = RunFolder(out / "killed" / "seed-0")
    state, damaged = checkpoint.newest(folder.checkpoints)
    assert state is not None
    assert not damaged
    assert state["step"] == 60
    assert not list(folder.path.rglob("*.part")), "a half-written file was left behind"
    state.pop("seconds")
    return state


def same(one: object, other: object) -> bool:
    """Equal to the bit, through dicts and lists."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return isinstance(other, list | tuple) and len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recipe") / "killed.toml"
    file.write_text(RECIPE)
    return file


@pytest.fixture(scope="module")
def uninterrupted(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], list[object]]:
    out = tmp_path_factory.mktemp("uninterrupted")
    finish(start(command(recipe, out)))
    return final_state(out), terms(out)


def terms(out: Path) -> list[object]:
    """The logged losses without their timings."""
    records = RunFolder(out / "killed" / "seed-0").records()
    return [(record["step"], record["terms"]) for record in records]


@pytest.mark.parametrize(
    ("place", "n"),
    [
        ("step", 5),  # before the first checkpoint
        ("step", 23),
        ("half-written checkpoint", 5),
        ("whole checkpoint without its name", 5),
        ("log line", 9),
        ("manifest", 4),
    ],
)
def test_killed_at_a_place(recipe: Path, uninterrupted, tmp_path: Path, place: str, n: int):
    process = start([place, str(n), *command(recipe, tmp_path)], KILLED)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    output = finish(start(command(recipe, tmp_path)))
    if (place, n) == ("step", 23):
        assert "resuming from step 21" in output
    assert same(final_state(tmp_path), uninterrupted[0])
    assert terms(tmp_path) == uninterrupted[1]


def test_killed_again_and_again(recipe: Path, uninterrupted, tmp_path: Path):
    chance = random.Random(0)
    folder = RunFolder(tmp_path / "killed" / "seed-0")
    killed = 0
    for _ in range(6):
        process = start(command(recipe, tmp_path))
        while process.poll() is None and not folder.records():  # the loop has begun
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.5))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.communicate(timeout=120)
    assert killed
    finish(start(command(recipe, tmp_path)))
    assert same(final_state(tmp_path), uninterrupted[0])
    assert terms(tmp_path) == uninterrupted[1]


def test_interrupt_stops_cleanly_and_goes_on(recipe: Path, uninterrupted, tmp_path: Path):
    folder = RunFolder(tmp_path / "killed" / "seed-0")
    process = start(command(recipe, tmp_path))
    while process.poll() is None and not folder.records():  # the loop has begun
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    if process.returncode != 0:  # unless it had come to its end
        assert process.returncode == 130
        assert "stopped at step" in output
        assert folder.manifest().status == "stopped"
    finish(start(command(recipe, tmp_path)))
    assert same(final_state(tmp_path), uninterrupted[0])


SCORES = [
    "--set", "train.evaluate_every=20", "--set", "train.sample_every=15", "--set", "evaluation.samples=50",
    "--set", "requires.plugins=['cganzoo-acgan', 'cganzoo-dcgan', 'cganzoo-scores']",
    "--set", "metrics=[{name='am_score'}]",
    "--set", "evaluation.extractor={name='classifier', width=4, epochs=1}",
]  # fmt: skip


INTERRUPTED_LAST = """
import os, signal, sys
from cganzoo.cli.main import main
from cganzoo.train.engine import Engine
original = Engine.advance
def advance(engine):
    original(engine)
    if engine.step == engine.settings.steps:
        os.kill(os.getpid(), signal.SIGINT)
Engine.advance = advance
main(sys.argv[1:])
"""


def test_an_interrupt_in_the_last_step_leaves_the_scoring_to_the_next_call(recipe: Path, tmp_path: Path):
    arguments = [*command(recipe, tmp_path), *SCORES]
    process = start(arguments, INTERRUPTED_LAST)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    folder = RunFolder(tmp_path / "killed" / "seed-0")
    assert folder.manifest().status == "stopped"
    assert checkpoint.steps(folder.checkpoints)[-1] == 60
    finish(start(arguments))
    assert folder.manifest().status == "finished"
    evaluation = folder.manifest().evaluation
    assert evaluation is not None
    assert evaluation.scores["am_score"] is not None


def test_scores_and_pictures_on_the_way_change_no_bit(recipe: Path, uninterrupted, tmp_path: Path):
    """Killed and taken up again, too: the classifier is trained before, and loaded after."""
    process = start(["step", "38", *command(recipe, tmp_path), *SCORES], KILLED)
    process.communicate(timeout=240)
    assert process.returncode == -signal.SIGKILL
    output = finish(start([*command(recipe, tmp_path), *SCORES]))
    assert "resuming from step 35" in output
    assert same(final_state(tmp_path), uninterrupted[0])
    records = RunFolder(tmp_path / "killed" / "seed-0").records()
    assert [record["step"] for record in records if "scores" in record] == [20, 40, 60]


def test_other_images_are_not_trained_on(recipe: Path, uninterrupted, tmp_path: Path):
    finish(start(command(recipe, tmp_path)))
    folder = RunFolder(tmp_path / "killed" / "seed-0")
    with folder.update_manifest() as manifest:
        manifest.data.fingerprint, manifest.status = "of other images", "stopped"
    process = start(command(recipe, tmp_path))
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "the images are not those that this run began with" in output
