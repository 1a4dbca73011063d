"""The logger that every run has: ``metrics.jsonl``, one JSON record a line. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cganzoo.config import Config
from cganzoo.hookspecs import hookimpl
from cganzoo.logger import Logger, RunInfo
from cganzoo.specs import LoggerSpec

from .folder import RunFolder


class MetricsFileConfig(Config):
    """The ``metrics_file`` logger has no options."""


class MetricsFile(Logger):
    """Appends log records and scores to ``metrics.jsonl``; a resumed run first drops the records of later steps.

    A record is ``{"step", "seconds", "images_per_second", "terms"}`` or ``{"step", "scores"}``.

    Raises:
        RunError: the file cannot be written. Of this logger alone, that ends the run.
    """

    folder: RunFolder

    def __init__(self, config: MetricsFileConfig) -> None:
        pass

    def start(self, run: RunInfo) -> None:
        """See :class:`Logger`."""
        self.folder = RunFolder(run.folder)
        self.folder.drop_records_after(run.step)

    def log(self, step: int, terms: Mapping[str, float], *, images_per_second: float, seconds: float) -> None:
        """See :class:`Logger`."""
        record: dict[str, Any] = {"step": step, "seconds": round(seconds, 3)}
        self.folder.append({**record, "images_per_second": round(images_per_second, 1), "terms": terms})

    def scores(self, step: int, scores: Mapping[str, float | None]) -> None:
        """See :class:`Logger`. Scores of the same step are replaced: a call was killed before it ended the run."""
        self.folder.put_scores(step, scores)


@hookimpl
def cganzoo_loggers() -> Iterable[LoggerSpec[Any]]:
    """The file ``metrics.jsonl`` of a run's folder."""
    yield LoggerSpec(
        name="metrics_file",
        summary="metrics.jsonl in the run's folder; part of every run",
        config=MetricsFileConfig,
        build=MetricsFile,
    )
