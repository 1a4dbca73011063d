"""All loggers of a run behind one object: ``metrics.jsonl``, which every run has, and the loggers of the recipe."""

from __future__ import annotations

from functools import partialmethod
from typing import Any

from cganzoo.console.reporter import Reporter
from cganzoo.errors import CganzooError
from cganzoo.logger import Logger
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs.metrics_file import MetricsFile, MetricsFileConfig


class Loggers(Logger):
    """Passes each call to every logger.

    A logger of the recipe that raises an exception does not end the run: the exception is shown once, and the logger
    gets no further call. Two exceptions do end the run: a :class:`~cganzoo.errors.CganzooError` raised by ``start``,
    because the user can correct it and nothing is lost yet; and any exception of ``metrics.jsonl``, because a run
    without this file cannot be compared.
    """

    def __init__(self, resolved: Resolved, reporter: Reporter) -> None:
        self._reporter = reporter
        self._loggers: dict[str, Logger] = {"metrics.jsonl": MetricsFile(MetricsFileConfig())}
        for chosen in resolved.components["logger"]:
            logger = chosen.create()
            if not isinstance(logger, MetricsFile):  # every run has it already
                self._loggers[chosen.table.name] = logger

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

    start: Any = partialmethod(_call, "start")
    log: Any = partialmethod(_call, "log")
    scores: Any = partialmethod(_call, "scores")
    picture: Any = partialmethod(_call, "picture")
    end: Any = partialmethod(_call, "end")
    fail: Any = partialmethod(_call, "fail")
