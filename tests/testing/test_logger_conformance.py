"""The kit's checks of loggers: sound ones pass, and each planted fault is found by the check for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from cganzoo import Config, LoggerSpec
from cganzoo.logger import Logger, RunInfo
from cganzoo.testing import LoggerConformance


class TestMetricsFile(LoggerConformance):
    """The logger of every run."""

    name = "metrics_file"


class NoOptions(Config):
    pass


class Sound(Logger):
    """Keeps what it gets."""

    def __init__(self, config: Config) -> None:
        self.kept: list[Any] = []

    def start(self, run: RunInfo) -> None:
        self.folder = run.folder
        self.recipe = run.recipe

    def log(self, step: int, terms: Mapping[str, float], **speed: float) -> None:
        self.kept.append((step, dict(terms)))


class FewTerms(Sound):
    def log(self, step: int, terms: Mapping[str, float], **speed: float) -> None:
        self.kept.append(terms["generator/adversarial"])


class NoNone(Sound):
    def scores(self, step: int, scores: Mapping[str, float | None]) -> None:
        self.kept += [float(score) for score in scores.values()]  # type: ignore[arg-type]


class StepsOnce(Sound):
    seen: set[tuple[Path, int]] = set()  # noqa: RUF012

    def log(self, step: int, terms: Mapping[str, float], **speed: float) -> None:
        assert (self.folder, step) not in self.seen
        self.seen.add((self.folder, step))


class NeedsRecords(Sound):
    def fail(self, status: str, message: str) -> None:
        self.kept.append(self.kept[-1])


class WritesTheManifest(Sound):
    def start(self, run: RunInfo) -> None:
        (run.folder / "manifest.json").write_text("mine")


class Removes(Sound):
    def end(self, status: str) -> None:
        (self.folder / "recipe.toml").unlink()


class Rounds(Sound):
    def log(self, step: int, terms: Mapping[str, float], **speed: float) -> None:
        terms["discriminator/real"] = 0  # type: ignore[index]


class Draws(Sound):
    def log(self, step: int, terms: Mapping[str, float], **speed: float) -> None:
        torch.rand(1)


def check(logger: Callable[[Any], Any]) -> LoggerConformance:
    spec = LoggerSpec(name="any", summary="Any", config=NoOptions, build=logger)
    made: LoggerConformance = type("Check", (LoggerConformance,), {"name": "any", "spec": spec})()
    return made


@pytest.mark.parametrize(
    ("faulty", "found_by", "error"),
    [
        (FewTerms, "a_run_whose_terms_change", KeyError),
        (NoNone, "a_finished_run", TypeError),
        (StepsOnce, "a_resumed_run", AssertionError),
        (NeedsRecords, "a_failed_run", IndexError),
        (WritesTheManifest, "the_run_s_files_stay", AssertionError),
        (Removes, "the_run_s_files_stay", AssertionError),
        (Rounds, "what_it_gets_stays", AssertionError),
        (Draws, "what_it_gets_stays", AssertionError),
        (lambda config: object(), "a_finished_run", AssertionError),
    ],
)
def test_a_planted_fault_is_found(faulty: Callable[[Any], Any], found_by: str, error: type[Exception]) -> None:
    method = f"test_{found_by}"
    getattr(check(Sound), method)()
    with pytest.raises(error):
        getattr(check(faulty), method)()
