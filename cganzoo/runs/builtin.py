"""The loggers of the host, through the same hook as any plugin's. No torch here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cganzoo.config import Config
from cganzoo.hookspecs import hookimpl
from cganzoo.specs import LoggerSpec


class MetricsFileConfig(Config):
    """The ``metrics_file`` logger has no options."""


@hookimpl
def cganzoo_loggers() -> Iterable[LoggerSpec[Any]]:
    """The file ``metrics.jsonl`` of a run's folder."""
    yield LoggerSpec(
        name="metrics_file",
        summary="metrics.jsonl in the run's folder; part of every run",
        config=MetricsFileConfig,
        build="cganzoo.runs.metrics_file:MetricsFile",
    )
