"""The loop: what it does at each step, how it ends, and how it is resumed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from rich.console import Console

from cganzoo.console.reporter import Reporter
from cganzoo.data.cache import ImageSet, packed
from cganzoo.data.sets.specs import DigitsConfig, digits
from cganzoo.logger import RunInfo
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs import checkpoint
from cganzoo.runs.folder import RunFolder
from cganzoo.runs.metrics_file import MetricsFile, MetricsFileConfig
from cganzoo.train.engine import Engine
from cganzoo.train.loop import train
from cganzoo.train.stop import Stop

OVERRIDES = ("train.steps=6", "train.evaluate_every=2", "train.sample_every=3", "train.checkpoint_every=100")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    folder = tmp_path_factory.mktemp("packed")
    return packed(digits(DigitsConfig()), name="digits", image_size=8, channels=1, folder=folder)["train"]


class Run:
    """A folder, and what its generator was asked for."""

    def __init__(self, path: Path, resolved: Callable[..., Resolved], data: ImageSet) -> None:
        self.resolved, self.data = resolved(*OVERRIDES), data
        path.mkdir()
        self.folder = RunFolder(path)
        self.folder.begin(self.resolved, fresh=False)
        self.reporter = Reporter(Console(quiet=True))
        self.asked: list[tuple[str, int]] = []

    def go(self, stop: Stop, interrupted_at: int | None = None, headlines: tuple[str, ...] = ("score",)) -> bool:
        engine = Engine(self.resolved, self.data, torch.device("cpu"))
        state, _ = checkpoint.newest(self.folder.checkpoints)
        if state is not None:
            engine.load_state(state)
        stage = stop.interrupting(self._stage)

        def evaluate() -> dict[str, float | None]:
            self.asked.append(("score", engine.step))
            if engine.step == interrupted_at:
                stop.signal = signal.SIGINT
            with stage("scoring") as progress:
                progress(1, 1)
            return {"score": float(engine.step)}

        log = MetricsFile(MetricsFileConfig())
        log.start(RunInfo(name="tiny", seed=0, folder=self.folder.path, recipe={}, step=engine.step))
        return train(
            engine,
            self.folder,
            self.reporter,
            log,
            stop,
            draw=lambda: self.asked.append(("draw", engine.step)),
            evaluate=evaluate,
            headlines=headlines,
        )

    @contextmanager
    def _stage(self, what: str) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, total: None

    def scored(self) -> list[int]:
        return [record["step"] for record in self.folder.records() if "scores" in record]


@pytest.fixture
def run(tmp_path: Path, resolved: Callable[..., Resolved], data: ImageSet) -> Run:
    return Run(tmp_path / "run", resolved, data)


def test_scores_and_grids_come_when_they_are_due(run: Run) -> None:
    assert run.go(Stop())
    assert run.asked == [("score", 2), ("draw", 3), ("score", 4)]
    assert run.scored() == [2, 4]


def test_without_metrics_nothing_is_scored(run: Run) -> None:
    assert run.go(Stop(), headlines=())
    assert run.asked == [("draw", 3)]


def test_a_signal_ends_the_scoring_and_the_next_call_makes_up_for_it(run: Run) -> None:
    assert not run.go(Stop(), interrupted_at=4)
    assert checkpoint.steps(run.folder.checkpoints) == [2, 4], "a step is saved before it is scored"
    assert run.scored() == [2]
    run.asked.clear()
    assert run.go(Stop())
    assert run.asked == [("score", 4)]
    assert run.scored() == [2, 4]


def test_what_was_scored_is_not_scored_again(run: Run) -> None:
    stop = Stop()
    assert not run.go(stop, headlines=("score",), interrupted_at=4)
    run.folder.append({"step": 4, "scores": {"score": 1.0}})
    run.asked.clear()
    assert run.go(Stop())
    assert run.asked == []


def test_a_time_limit_ends_the_loop_after_the_current_step(run: Run) -> None:
    assert not run.go(Stop(deadline=0.0))
    assert run.asked == []
    assert run.go(Stop.after(None))
