"""The losses are looked at while a run trains: a divergence ends it soon, and nothing else changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

from cganzoo.console.reporter import Reporter
from cganzoo.data.cache import ImageSet
from cganzoo.errors import DivergenceError
from cganzoo.logger import RunInfo
from cganzoo.networks import Generator
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder
from cganzoo.runs.metrics_file import MetricsFile, MetricsFileConfig
from cganzoo.train import watch as module
from cganzoo.train.engine import Engine
from cganzoo.train.loop import train
from cganzoo.train.stop import Stop
from cganzoo.train.watch import EXTREME, FIRST_LOOK, LOOK_EVERY, Watch, check_samples, first_bad

CPU = torch.device("cpu")
RARE = ("train.steps=300", "train.log_every=3000", "train.checkpoint_every=80")


def images() -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 1, 8, 8), np.uint8)
    return ImageSet(pixels, np.arange(64) % 4, tuple("abcd"), "train", "noise")


class Run:
    """A run of the tiny recipe on noise, in a folder; keeps the losses that are shown."""

    def __init__(self, path: Path, resolved: Resolved) -> None:
        path.mkdir()
        self.folder = RunFolder(path)
        self.folder.begin(resolved, fresh=False)
        self.engine = Engine(resolved, images(), CPU)
        self.console = Console(record=True, quiet=True, width=300)

    def go(self, evaluate: Callable[[], Any] = dict, headlines: tuple[str, ...] = ()) -> None:
        log = MetricsFile(MetricsFileConfig())
        log.start(RunInfo(name="tiny", seed=0, folder=self.folder.path, recipe={}, step=self.engine.step))
        reporter = Reporter(self.console, self.folder.log_file)
        train(self.engine, self.folder, reporter, log, Stop(), draw=dict, evaluate=evaluate, headlines=headlines)

    def poison(self, at: int, value: float, player: str = "trunk") -> None:
        """Let a weight get this value in step ``at``."""
        advance = self.engine.advance

        def poisoned() -> None:
            if self.engine.step == at - 1:
                with torch.no_grad():
                    next(getattr(self.engine, player).parameters()).fill_(value)
            advance()

        self.engine.advance = poisoned  # type: ignore[method-assign]


@pytest.fixture
def run(tmp_path: Path, resolved: Callable[..., Resolved]) -> Callable[..., Run]:
    return lambda *overrides: Run(tmp_path / "run", resolved(*overrides))


def test_a_divergence_ends_the_run_long_before_the_log_and_says_where_it_began(run) -> None:
    diverging = run(*RARE)
    diverging.poison(90, math.nan)
    with pytest.raises(DivergenceError, match=r"^training diverged: loss term discriminator/\w+ is nan since step 90;"):
        diverging.go()
    assert diverging.engine.step <= 90 + LOOK_EVERY
    assert checkpoint.steps(diverging.folder.checkpoints) == [80], "no checkpoint of weights that are not finite"


@pytest.mark.parametrize("steps", [3, 7])
def test_a_divergence_in_the_last_steps_is_found_before_the_last_checkpoint(run, steps: int) -> None:
    diverging = run(f"train.steps={steps}", "train.checkpoint_every=2")
    diverging.poison(steps, math.inf, "generator")
    with pytest.raises(DivergenceError, match=f"training diverged: .+ {steps};"):
        diverging.go()
    assert checkpoint.steps(diverging.folder.checkpoints)[-1] == steps - 1


def test_weights_that_are_not_finite_replace_no_checkpoint_although_the_losses_are_finite(run) -> None:
    diverging = run("train.steps=6", "train.checkpoint_every=2", "train.ema_decay=0.5")
    advance = diverging.engine.advance

    def poisoned() -> None:
        advance()
        if diverging.engine.step == 3:  # the average is in no loss
            with torch.no_grad():
                next(diverging.engine.average.generator.parameters()).fill_(math.nan)

    diverging.engine.advance = poisoned
    with pytest.raises(
        DivergenceError, match=r"a weight of the average is not finite by step 4; at step 2, all were finite;"
    ):
        diverging.go()
    assert checkpoint.steps(diverging.folder.checkpoints) == [2]


def test_losses_that_grow_beyond_all_bounds_are_a_divergence(run) -> None:
    rates = ("optimizer.generator.lr=1e6", 'optimizer.discriminator={name="adam", lr=1e6}')
    wild = run("train.steps=60", *rates)
    with pytest.raises(DivergenceError, match=r"training diverged: loss term \S+ is \S+e\+1\d by step 10;"):
        wild.go()


def test_losses_are_shown_soon_and_logged_at_the_last_step(run) -> None:
    short = run("train.steps=70", "train.log_every=500")
    short.go()
    assert [record["step"] for record in short.folder.records()] == [70]
    shown = short.folder.log_file.read_text()
    assert f"step {FIRST_LOOK}/70  " in shown
    assert "discriminator/real" in shown


def test_looks_and_logs_change_no_bit(resolved: Callable[..., Resolved], tmp_path: Path) -> None:
    reached = []
    for index, every in enumerate((1, 7, 1000)):
        one = Run(tmp_path / str(index), resolved("train.steps=65", f"train.log_every={every}"))
        one.go()
        reached.append([weight.clone() for module in one.engine.networks for weight in module.parameters()])
    assert all(torch.equal(*pair) for other in reached[1:] for pair in zip(reached[0], other, strict=True))


def test_a_checkpoint_exists_before_any_evaluation(run) -> None:
    class FailedError(Exception):
        pass

    scored = run("train.steps=9", "train.evaluate_every=4", "train.checkpoint_every=100")

    def evaluate() -> Mapping[str, float]:
        assert checkpoint.steps(scored.folder.checkpoints) == [4]
        raise FailedError

    with pytest.raises(FailedError):
        scored.go(evaluate, ("score",))
    assert scored.folder.manifest().step == 4


# --- the parts ------------------------------------------------------------------------------------------------------


def test_a_look_is_due_soon_and_then_at_intervals() -> None:
    watch, looked = Watch(CPU, 100), []
    for step in range(101, 300):
        if watch.is_due(step):
            looked.append(step)
            watch.look({"a": [torch.tensor(1.0)]}, step)
    assert looked[:3] == [100 + FIRST_LOOK, 100 + FIRST_LOOK + LOOK_EVERY, 100 + FIRST_LOOK + 2 * LOOK_EVERY]


def test_a_look_has_the_means_of_the_terms() -> None:
    losses = Watch(CPU, 0).look({"a": [torch.tensor(1.0), torch.tensor(4.0)], "b": [torch.tensor(math.nan)]}, 7)
    assert losses is not None
    assert (losses.step, losses.terms["a"]) == (7, 2.5)
    assert math.isnan(losses.terms["b"])
    assert Watch(CPU, 0).look({}, 7) is None


@pytest.mark.gpu
def test_on_a_gpu_a_look_does_not_wait() -> None:
    device, slow = torch.device("cuda"), torch.zeros(4096, 4096, device="cuda")
    watch = Watch(device, 0)
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.current_stream()):
        for _ in range(50):
            slow = slow @ slow
        assert watch.look({"a": [slow[0, 0] + 3]}, 1) is None
        torch.cuda.synchronize()
        losses = watch.look({"a": [slow[0, 0] + 5]}, 2)
    assert losses is not None
    assert (losses.step, losses.terms) == (1, {"a": 3.0})


@pytest.mark.parametrize(("updates", "values", "step"), [(1, "..x.", 9), (2, "...x..", 9), (2, "......", None)])
def test_the_first_bad_step_is_counted_from_the_end(updates: int, values: str, step: int | None) -> None:
    tensors = [torch.tensor(math.inf if value == "x" else 0.0) for value in values]
    assert first_bad(tensors, 10, updates) == step


def test_only_values_that_are_not_finite_or_extreme_are_a_problem() -> None:
    assert module.problem({"a": -1e9, "b": 0.0}) is None
    for bad in (math.nan, math.inf, -math.inf, 2 * EXTREME, -2 * EXTREME):
        assert module.problem({"a": 1.0, "b": bad}) == "b"


class Constant(Generator):
    latent_dim, conditional = 3, False

    def __init__(self, value: float, spread: float) -> None:
        super().__init__()
        self.value, self.spread = torch.nn.Parameter(torch.tensor(value)), spread

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.value + self.spread * z[:, :1, None, None].tanh().expand(-1, 1, 8, 8)


def test_samples_that_are_not_finite_are_a_divergence_and_equal_ones_a_warning() -> None:
    with pytest.raises(DivergenceError, match="images that are not finite"):
        check_samples(Constant(math.nan, 1.0), 4, 0)
    assert "the generator has collapsed" in check_samples(Constant(0.5, 0.0), 4, 0)
    assert check_samples(Constant(0.0, 0.5), 4, 0) == ""
