"""How a run ends that cannot go well: nothing is lost, and the manifest says what happened."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from comparing import PLUGINS, SCORED
from rich.console import Console

from cganzoo.console.reporter import Reporter
from cganzoo.data.cache import ImageSet
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder
from cganzoo.session import memory
from cganzoo.session.run import Session
from cganzoo.train.engine import Engine
from cganzoo.train.stop import Stop

CPU = torch.device("cpu")
NO_MEMORY = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "16000000000 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.fixture
def recipe(tmp_path: Path, tiny: str) -> Path:
    file = tmp_path / "short.toml"
    file.write_text(
        tiny.replace(PLUGINS, f'{PLUGINS[:-1]}, "cganzoo-scores"]').replace("steps = 20", "steps = 6") + SCORED
    )
    return file


@pytest.fixture
def run(recipe: Path, tmp_path: Path, command) -> Callable[..., Any]:
    def call(*overrides: str) -> Any:
        given = [part for override in overrides for part in ("--set", override)]
        return command("run", recipe, "--out", tmp_path, "--device", "cpu", *given)

    return call


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "short" / "seed-0")


def failing(
    monkeypatch: pytest.MonkeyPatch, owner: type, method: str, error: BaseException, at: int | None = None
) -> None:
    """Let a method raise the error; with ``at``, an engine's after this step."""
    original = getattr(owner, method)

    def fails(self: Any, *arguments: Any, **named: Any) -> Any:
        if at is None or self.step == at:
            raise error
        return original(self, *arguments, **named)

    monkeypatch.setattr(owner, method, fails)


# --- sizes that cannot fit ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("generator.latent_dim=1000000000", "generator: the networks (generator "),
        ("generator.width=1000000", "generator: the networks (generator "),
        ("discriminator.width=1000000", "discriminator: the networks (generator "),
        ("generator.width=1000000000000", "generator: a size is larger than any memory"),
        ("train.batch_size=1000000000000", "--set train.batch_size: 1,000,000,000,000 images and as many samples take"),
        ("evaluation.batch_size=1000000000000", "--set evaluation.batch_size: the noise of 1,000,000,000,000 samples"),
        ("evaluation.samples=1000000000000", "--set evaluation.samples: the noise of 1,000,000,000,000 samples"),
    ],
)
def test_a_size_that_cannot_fit_is_refused_before_training(run, folder: RunFolder, override: str, named: str) -> None:
    result = run(override)
    assert result.code == 2
    assert named in result.err.replace("\n", " ")
    assert "Traceback" not in result.err
    manifest = folder.manifest()
    assert manifest.status == "failed"
    assert named in manifest.error
    assert not manifest.calls
    assert run("train.steps=2", "metrics=[]").code == 0, "the folder is not spoilt"


def test_a_batch_is_refused_before_the_images_are_packed(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cganzoo.session.run.load_data", None)
    assert "--set train.batch_size" in run("train.batch_size=1000000000000").err


def test_on_the_cpu_a_step_whose_activations_cannot_fit_is_refused(
    resolved: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, names = resolved("train.batch_size=500"), tuple(map(str, range(10)))
    memory.check_networks(recipe, names, CPU)
    networks = memory._without_memory(recipe, names)
    assert networks is not None
    needed = memory._step_bytes(networks, recipe)
    assert needed > 10 * 500 * 64 * memory.FLOAT, "many times the images"
    monkeypatch.setattr(memory, "memory_limit", lambda: needed // 2)
    with pytest.raises(memory.RunError, match=r"batch_size: a training step on 500 images takes at least .+; lower it"):
        memory.check_networks(recipe, names, CPU)


def test_what_is_counted_is_no_more_than_what_a_run_needs(resolved: Callable[..., Resolved], monkeypatch) -> None:
    """The bound for the networks, against tensors of a real engine."""
    recipe = resolved()
    refused: list[int] = []
    monkeypatch.setattr(memory, "_refuse", lambda what, needed, device, advice: refused.append(needed))
    pixels, labels = np.zeros((20, 1, 8, 8), np.uint8), np.arange(20) % 10
    data = ImageSet(pixels, labels, tuple("0123456789"), "train", "")
    memory.check_networks(recipe, data.class_names, CPU)
    engine = Engine(recipe, data, CPU)
    engine.advance()
    weights = [weight for module in engine.networks for weight in module.parameters()]
    kept = [*weights, *(weight.grad for weight in weights), *engine.average.generator.parameters()]
    for optimizer in engine.optimizers.values():
        kept += [one for state in optimizer.state.values() for name, one in state.items() if name != "step"]
    exact = sum(tensor.nbytes for tensor in kept if tensor is not None)
    assert 0.9 * exact < refused[0] <= exact


def test_a_network_that_needs_numbers_while_it_is_built_is_not_checked(resolved: Callable[..., Resolved]) -> None:
    def build(config: Any, context: Any) -> Any:
        return [float(value) for value in torch.linspace(0, 1, 3)]

    recipe = resolved()
    spec = replace(recipe.generator.spec, build=build)
    own = replace(recipe, components={**recipe.components, "generator": (replace(recipe.generator, spec=spec),)})
    memory.check_networks(own, tuple("ab"), CPU)


def test_evaluate_and_sample_refuse_it_too(run, folder: RunFolder, command, tmp_path: Path) -> None:
    assert run().code == 0
    for key in ("batch_size", "samples"):
        result = command("evaluate", folder.path, "--device", "cpu", "--set", f"evaluation.{key}=1000000000000")
        assert result.code == 2
        assert f"--set evaluation.{key}: the noise of 1,000,000,000,000 samples takes at least" in result.err
    result = command("sample", folder.path, "-n", "1000000000000", "--device", "cpu", "-o", tmp_path / "a.png")
    assert result.code == 2
    assert "-n: 1,000,000,000,000 images do not fit in memory" in result.err


# --- memory that runs out during a run ------------------------------------------------------------------------------


def test_memory_that_runs_out_in_training_is_one_message(run, folder: RunFolder, monkeypatch) -> None:
    failing(monkeypatch, Engine, "advance", NO_MEMORY, at=3)
    result = run("train.checkpoint_every=2", "metrics=[]")
    assert result.code == 2
    message = (
        "training on the device cpu: out of memory: 16.0 GB were requested at once; lower "
        f"{folder.path.parents[1] / 'short.toml'}: train.batch_size (now 8; try half of it, or train.accumulate = "
        "2), or the sizes in [generator], [discriminator] and [loss]; the checkpoint of step 2 is kept"
    )
    assert message in result.err.replace("\n", " ")
    assert (folder.manifest().status, folder.manifest().error) == ("failed", message)
    monkeypatch.undo()
    assert checkpoint.steps(folder.checkpoints) == [2]


def test_memory_that_runs_out_in_scoring_names_the_keys_of_scoring(run, folder: RunFolder, monkeypatch) -> None:
    from cganzoo.session.scorer import Scorer

    failing(monkeypatch, Scorer, "score", MemoryError())
    result = run()
    assert result.code == 2
    for part in ("scoring on the device cpu: out of memory; lower", "evaluation.batch_size (now 250", "step 6 is kept"):
        assert part in result.err.replace("\n", " ")
    assert folder.manifest().status == "failed"


def test_memory_that_runs_out_elsewhere_is_one_message(folder: RunFolder, command, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cganzoo.runs.folder.find_run", lambda source: (_ for _ in ()).throw(NO_MEMORY))
    result = command("export", tmp_path, tmp_path / "a.safetensors")
    assert (result.code, "Traceback" in result.err) == (2, False)
    assert "out of memory: 16.0 GB were requested at once" in result.err


# --- any other error ------------------------------------------------------------------------------------------------


def test_a_bug_of_a_plugin_is_recorded_and_raised(run, folder: RunFolder, monkeypatch) -> None:
    failing(monkeypatch, Engine, "advance", ZeroDivisionError("a bug"), at=3)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run("train.checkpoint_every=2", "metrics=[]")
    assert (folder.manifest().status, folder.manifest().error) == ("failed", "ZeroDivisionError: a bug")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interrupt_that_acts_at_once_is_a_stop(run, folder: RunFolder, monkeypatch, error: BaseException) -> None:
    failing(monkeypatch, Engine, "advance", error, at=3)
    assert run("train.checkpoint_every=2", "metrics=[]").code in (3, 130)
    assert (folder.manifest().status, folder.manifest().error) == ("stopped", "")
    monkeypatch.undo()
    assert "resuming from step 2" in run("metrics=[]").out


def test_a_failure_before_the_run_begins_leaves_a_finished_run_as_it_is(
    resolved: Callable[..., Resolved], tmp_path: Path, monkeypatch
) -> None:
    tmp_path.joinpath("run").mkdir()
    folder, reporter = RunFolder(tmp_path / "run"), Reporter(Console(quiet=True))
    assert Session(resolved("train.steps=1"), folder, reporter, CPU).run(Stop())
    before = folder.manifest_file.read_bytes()
    monkeypatch.setattr("cganzoo.session.run.Engine", lambda *arguments: (_ for _ in ()).throw(ValueError("a bug")))
    with pytest.raises(ValueError, match="a bug"):
        Session(resolved("train.steps=1"), folder, reporter, CPU).run(Stop(), fresh=True)
    assert folder.manifest_file.read_bytes() == before


def test_a_killed_call_is_said_and_not_left_running(run, folder: RunFolder) -> None:
    assert run("metrics=[]", "train.checkpoint_every=2").code == 0
    with folder.update_manifest() as manifest:
        manifest.status = "running"
    checkpoint.path_of(folder.checkpoints, 6).unlink()
    result = run("metrics=[]", "train.checkpoint_every=2")
    assert result.code == 0
    assert "note: the last call of this run was killed" in result.out
    assert folder.manifest().status == "finished"


def test_the_scores_of_the_last_step_are_kept_once(run, folder: RunFolder) -> None:
    """The call was killed when it had written them, before it could say that the run is finished."""
    pid = os.fork()
    if pid == 0:
        try:
            append = RunFolder.append

            def killed(self: RunFolder, record: Any) -> None:
                append(self, record)
                if "scores" in record:
                    os.kill(os.getpid(), signal.SIGKILL)

            RunFolder.append = killed  # type: ignore[method-assign]
            run()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL

    def scored() -> list[dict[str, Any]]:
        return [record for record in folder.records() if "scores" in record]

    (first,) = scored()
    assert folder.manifest().status == "running"
    assert run().code == 0
    assert scored() == [first]
    evaluation = folder.manifest().evaluation
    assert evaluation is not None
    assert evaluation.scores == first["scores"]
