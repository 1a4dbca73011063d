"""The loggers of a run as one: ``metrics.jsonl``, which every run has, and those of the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from cganzoo.console.reporter import Reporter
from cganzoo.errors import CganzooError
from cganzoo.logger import Logger, RunInfo
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs.builtin import MetricsFileConfig
from cganzoo.runs.metrics_file import MetricsFile


class Loggers(Logger):
    """Passes each call to every logger.

    What is wrong with a logger of the recipe must not end a run: its exception is shown once, and it gets no further
    call. Two exceptions do: a :class:`~cganzoo.errors.CganzooError` of its ``start``, as nothing is lost yet and the
    user can correct it; and any of ``metrics.jsonl``, as a run without it cannot be compared.

    Args:
        resolved: the recipe.
        reporter: shows what a logger raised.

    Raises:
        CganzooError: a logger cannot be built.
    """

    def __init__(self, resolved: Resolved, reporter: Reporter) -> None:
        self._reporter = reporter
        self._loggers: dict[str, Logger] = {"metrics_file": MetricsFile(MetricsFileConfig())}
        for chosen in resolved.components["logger"]:
            self._loggers.setdefault(chosen.spec.name, chosen.create())

    def start(self, run: RunInfo) -> None:
        """See :class:`Logger`."""
        self._call("start", run)

    def log(self, step: int, terms: Mapping[str, float], *, images_per_second: float, seconds: float) -> None:
        """See :class:`Logger`."""
        self._call("log", step, terms, images_per_second=images_per_second, seconds=seconds)

    def scores(self, step: int, scores: Mapping[str, float | None]) -> None:
        """See :class:`Logger`."""
        self._call("scores", step, scores)

    def picture(self, step: int, name: str, file: Path) -> None:
        """See :class:`Logger`."""
        self._call("picture", step, name, file)

    def end(self, status: Literal["finished", "stopped"]) -> None:
        """See :class:`Logger`."""
        self._call("end", status)

    def fail(self, status: Literal["failed", "diverged"], message: str) -> None:
        """See :class:`Logger`."""
        self._call("fail", status, message)

    def _call(self, method: str, *arguments: Any, **named: Any) -> None:
        for name, logger in list(self._loggers.items()):
            try:
                getattr(logger, method)(*arguments, **named)
            except Exception as error:
                if isinstance(logger, MetricsFile) or (method == "start" and isinstance(error, CganzooError)):
                    raise
                del self._loggers[name]
                raised = f'logger "{name}" raised {type(error).__name__} in {method}: {error}'
                self._reporter.say(f"{raised}; the run continues without it", style="yellow")
