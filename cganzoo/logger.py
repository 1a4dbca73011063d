"""Base class of loggers. A logger receives the records of a run while the run is in progress. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """The run that a logger is for.

    Attributes:
        name: of the recipe.
        seed: ``train.seed``.
        folder: the run's folder.
        recipe: every value of the resolved recipe, defaults included, as TOML has them.
        step: generator steps done before: 0 for a new run. Of a resumed run, records of later steps are obsolete.
    """

    name: str
    seed: int
    folder: Path
    recipe: Mapping[str, Any]
    step: int = 0


class Logger:
    """Base class of loggers. Override the methods that you need; the others do nothing.

    All calls come from the training process, in order: ``start``, then any of ``log``, ``scores`` and ``picture``, then
    ``end`` or ``fail``. A run that is killed calls neither ``end`` nor ``fail``. Steps count generator steps. If a
    logger raises an exception, the run continues: the exception is shown once, and the logger gets no further call. But
    if ``start`` raises a :class:`cganzoo.errors.CganzooError`, for a mistake that the user can correct, the run ends.
    """

    def start(self, run: RunInfo) -> None:
        """The run starts, or is resumed. Override it."""

    def log(self, step: int, terms: Mapping[str, float], *, images_per_second: float, seconds: float) -> None:
        """A log record. Override it.

        Args:
            step: steps done.
            terms: mean of each loss term since the last record, as ``"discriminator/real"``.
            images_per_second: real images per second of training since the last record.
            seconds: training time since step 0, without evaluations and checkpoints.
        """

    def scores(self, step: int, scores: Mapping[str, float | None]) -> None:
        """An evaluation: metric outputs by name, ``None`` where one is not defined. Override it."""

    def picture(self, step: int, name: str, file: Path) -> None:
        """A picture was written: ``"samples"``, or the name that a metric gave its picture. Override it."""

    def end(self, status: Literal["finished", "stopped"]) -> None:
        """The run is finished, or stopped before its last step and can be resumed. Override it."""

    def fail(self, status: Literal["failed", "diverged"], message: str) -> None:
        """The run ended with an error. Override it."""
