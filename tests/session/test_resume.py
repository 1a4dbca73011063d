"""``kill -9`` at any instant, then the same command: the final weights are those of a run that was never stopped."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from continuing import same

import cganzoo.evaluate.classifier  # noqa: F401 - for the forks
from cganzoo._util import files
from cganzoo.cli.main import main
from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder
from cganzoo.train.engine import Engine

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

PLACES: dict[str, tuple[Any, str]] = {
    "step": (Engine, "advance"),
    "half-written checkpoint": (files.os, "fsync"),
    "whole checkpoint without its name": (files.os, "replace"),
    "log line": (RunFolder, "append"),
    "manifest": (RunFolder, "update_manifest"),
}


def killed_at(place: str, n: int) -> None:
    """Patch this process so that it kills itself at the n-th call of a place."""
    owner, name = PLACES[place]
    original, calls = getattr(owner, name), itertools.count(1)

    def patched(*arguments: Any, **named: Any) -> Any:
        if next(calls) == n:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)

    setattr(owner, name, patched)


def interrupted_after_the_last_step() -> None:
    """Patch this process so that it interrupts itself."""
    original = Engine.advance

    def advance(engine: Engine) -> None:
        original(engine)
        if engine.step == engine.settings.steps:
            os.kill(os.getpid(), signal.SIGINT)

    Engine.advance = advance  # type: ignore[method-assign]


def command(recipe: Path, out: Path) -> list[str]:
    return ["run", str(recipe), "--out", str(out), "--device", "cpu"]


class Child:
    """The command line in a process of its own: a fork of this one, which has imported torch already.

    Attributes:
        returncode: as of :class:`subprocess.Popen`, after :meth:`wait`.
    """

    def __init__(self, arguments: list[str], prepare: Callable[[], None] = lambda: None) -> None:
        self._printed = tempfile.TemporaryFile("w+")  # noqa: SIM115 - read by wait()
        self.pid = os.fork()
        if self.pid == 0:
            code: Any = 1
            try:
                os.dup2(self._printed.fileno(), 1)
                os.dup2(self._printed.fileno(), 2)
                sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
                signal.signal(signal.SIGINT, signal.default_int_handler)
                prepare()
                main(arguments)
                code = 0
            except SystemExit as end:
                code = end.code or 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self) -> str:
        """Wait for its end; returns what it printed."""
        while self.poll() is None:
            time.sleep(0.005)
        self._printed.seek(0)
        return self._printed.read()


def finish(arguments: list[str]) -> str:
    """Run the command line to its end; returns what it printed."""
    child = Child(arguments)
    output = child.wait()
    assert child.returncode == 0, output
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


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recipe") / "killed.toml"
    file.write_text(RECIPE)
    return file


@pytest.fixture(scope="module")
def uninterrupted(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], list[object]]:
    out = tmp_path_factory.mktemp("uninterrupted")
    with pytest.raises(SystemExit) as end:  # in this process, so that its forks need not import what a run imports
        main(command(recipe, out))
    assert not end.value.code
    return final_state(out), terms(out)


def terms(out: Path) -> list[object]:
    """The logged losses without their timings."""
    records = RunFolder(out / "killed" / "seed-0").records()
    return [(record["step"], record["terms"]) for record in records]


@pytest.mark.parametrize(
    ("place", "n"),
    [
        ("step", 5),  # before the first checkpoint
        pytest.param("step", 23, marks=pytest.mark.slow),
        ("half-written checkpoint", 5),
        pytest.param("whole checkpoint without its name", 5, marks=pytest.mark.slow),
        pytest.param("log line", 9, marks=pytest.mark.slow),
        ("manifest", 4),
    ],
)
def test_killed_at_a_place(recipe: Path, uninterrupted, tmp_path: Path, place: str, n: int):
    process = Child(command(recipe, tmp_path), lambda: killed_at(place, n))
    process.wait()
    assert process.returncode == -signal.SIGKILL
    output = finish(command(recipe, tmp_path))
    if (place, n) == ("step", 23):
        assert "resuming from step 21" in output
    assert same(final_state(tmp_path), uninterrupted[0])
    assert terms(tmp_path) == uninterrupted[1]


def test_killed_again_and_again(recipe: Path, uninterrupted, tmp_path: Path):
    chance = random.Random(0)
    folder = RunFolder(tmp_path / "killed" / "seed-0")
    killed = 0
    for _ in range(6):
        process = Child(command(recipe, tmp_path))
        while process.poll() is None and not folder.records():  # the loop has begun
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.5))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed
    finish(command(recipe, tmp_path))
    assert same(final_state(tmp_path), uninterrupted[0])
    assert terms(tmp_path) == uninterrupted[1]


def test_an_interrupt_stops_cleanly_and_the_run_is_resumed(recipe: Path, uninterrupted, tmp_path: Path):
    folder = RunFolder(tmp_path / "killed" / "seed-0")
    process = Child(command(recipe, tmp_path))
    while process.poll() is None and not folder.records():  # the loop has begun
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    output = process.wait()
    if process.returncode != 0:  # unless it had come to its end
        assert process.returncode == 130
        assert "stopped at step" in output
        assert folder.manifest().status == "stopped"
    finish(command(recipe, tmp_path))
    assert same(final_state(tmp_path), uninterrupted[0])


SCORES = [
    "--set", "train.evaluate_every=20", "--set", "train.sample_every=15", "--set", "evaluation.samples=50",
    "--set", "requires.plugins=['cganzoo-acgan', 'cganzoo-dcgan', 'cganzoo-scores']",
    "--set", "metrics=[{name='am_score'}]",
    "--set", "evaluation.extractor={name='classifier', width=4, epochs=1}",
]  # fmt: skip


def test_an_interrupt_in_the_last_step_leaves_the_scoring_to_the_next_call(recipe: Path, tmp_path: Path):
    arguments = [*command(recipe, tmp_path), *SCORES]
    process = Child(arguments, interrupted_after_the_last_step)
    output = process.wait()
    assert process.returncode == 130, output
    assert "Traceback" not in output
    folder = RunFolder(tmp_path / "killed" / "seed-0")
    assert folder.manifest().status == "stopped"
    assert checkpoint.steps(folder.checkpoints)[-1] == 60
    finish(arguments)
    assert folder.manifest().status == "finished"
    evaluation = folder.manifest().evaluation
    assert evaluation is not None
    assert evaluation.scores["am_score"] is not None


def test_scores_and_pictures_on_the_way_change_no_bit(recipe: Path, uninterrupted, tmp_path: Path):
    """Killed and taken up again, too: the classifier is trained before, and loaded after."""
    process = Child([*command(recipe, tmp_path), *SCORES], lambda: killed_at("step", 38))
    process.wait()
    assert process.returncode == -signal.SIGKILL
    output = finish([*command(recipe, tmp_path), *SCORES])
    assert "resuming from step 35" in output
    assert same(final_state(tmp_path), uninterrupted[0])
    records = RunFolder(tmp_path / "killed" / "seed-0").records()
    assert [record["step"] for record in records if "scores" in record] == [20, 40, 60]


def test_other_images_are_not_trained_on(recipe: Path, uninterrupted, tmp_path: Path):
    finish(command(recipe, tmp_path))
    folder = RunFolder(tmp_path / "killed" / "seed-0")
    with folder.update_manifest() as manifest:
        manifest.data.fingerprint, manifest.status = "of other images", "stopped"
    process = Child(command(recipe, tmp_path))
    output = process.wait()
    assert process.returncode == 2
    assert "the images are not those that this run began with" in output
