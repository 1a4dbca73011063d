"""Conformance checks that every logger must pass."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cganzoo.logger import Logger, RunInfo

from .conformance import Conformance, built
from .randomness import untouched

RECIPE: dict[str, Any] = {"train": {"steps": 8, "batch_size": 4, "seed": 3}, "loss": {"name": "any"}}
TERMS = {"discriminator/real": 0.5, "discriminator/fake": 0.25, "generator/adversarial": -1.5}
SCORES: dict[str, float | None] = {"fid": 12.5, "undefined": None}
FILES = {"recipe.toml": b'loss.name = "any"\n', "manifest.json": b"{}\n", "checkpoints/step-00000004.pt": b"weights"}
PIXEL = bytes.fromhex(  # a PNG of one black pixel
    "89504e470d0a1a0a0000000d4948445200000001000000010000000003a7eedb0000000a49444154789c6360000000020001e221bc330000"
    "000049454e44ae426082"
)


class LoggerConformance(Conformance):
    """The checks of a logger. It works for every kind of run, and does not change the files of the run itself."""

    kind = "logger"
    number_of_checks = 12

    def build(self) -> Logger:
        """A new instance of the logger."""
        return built(self.spec.build(self.config()), Logger)

    @contextmanager
    def run(self) -> Iterator[tuple[Logger, Path]]:
        """A logger that was started for a run in a folder with the files of one."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "samples").mkdir()
            (folder / "checkpoints").mkdir()
            for file, content in FILES.items():
                (folder / file).write_bytes(content)
            yield self.started(folder), folder

    def started(self, folder: Path, step: int = 0, recipe: dict[str, Any] | None = None) -> Logger:
        """A new logger that was started for the run in this folder."""
        logger = self.build()
        recipe = copy.deepcopy(RECIPE) if recipe is None else recipe
        logger.start(RunInfo(name="check", seed=3, folder=folder, recipe=recipe, step=step))
        return logger

    def test_a_finished_run(self) -> None:
        """A run has log records, scores (one of them undefined), a picture, and an end."""
        with self.run() as (logger, folder):
            _steps(logger, folder, 1, 8)
            logger.end("finished")

    def test_a_resumed_run(self) -> None:
        """A run was killed after step 6 and resumes from step 4: it starts twice, ends once, and repeats some steps."""
        with self.run() as (killed, folder):
            _steps(killed, folder, 1, 6)
            again = self.started(folder, step=4)
            _steps(again, folder, 5, 8)
            again.end("stopped")

    def test_a_failed_run(self) -> None:
        """A run fails before its first record, and another run diverges after some records."""
        with self.run() as (logger, folder):
            logger.fail("failed", "the disk is full")
        with self.run() as (logger, folder):
            _steps(logger, folder, 1, 2)
            logger.fail("diverged", "loss term generator/adversarial is nan")

    def test_a_run_whose_terms_change(self) -> None:
        """Loss terms appear and disappear: a schedule starts a term, or a regularizer is not computed at each step."""
        with self.run() as (logger, _):
            for step, terms in enumerate((TERMS, {**TERMS, "discriminator/r1": 0.1}, {}, TERMS), 1):
                logger.log(step, terms, images_per_second=100.0, seconds=float(step))
            logger.end("finished")

    def test_the_run_s_files_stay(self) -> None:
        """The logger changes no file that the run itself wrote."""
        with self.run() as (logger, folder):
            _steps(logger, folder, 1, 4)
            logger.end("finished")
            for file, content in FILES.items():
                assert (folder / file).is_file(), f"the logger removes {file}"
                assert (folder / file).read_bytes() == content, f"the logger changes {file}"

    def test_what_it_gets_stays(self) -> None:
        """The logger does not change its inputs (terms, scores, recipe), because other loggers get the same objects."""
        terms, scores, recipe = dict(TERMS), dict(SCORES), copy.deepcopy(RECIPE)
        with untouched("the logger"), tempfile.TemporaryDirectory() as folder:
            logger = self.started(Path(folder), recipe=recipe)
            logger.log(1, terms, images_per_second=100.0, seconds=1.0)
            logger.scores(1, scores)
            logger.end("finished")
        assert (terms, scores, recipe) == (TERMS, SCORES, RECIPE), "the logger changes what it gets"


def _steps(logger: Logger, folder: Path, first: int, last: int) -> None:
    """What a run records at these steps, with scores and a picture at the fourth."""
    for step in range(first, last + 1):
        logger.log(step, dict(TERMS), images_per_second=100.0, seconds=float(step))
        if step == 4:
            logger.scores(step, dict(SCORES))
            file = folder / "samples" / f"step-{step:08d}.png"
            file.write_bytes(PIXEL)
            logger.picture(step, "samples", file)
