"""Refuses metrics that the counts of an evaluation make impossible; see :class:`cganzoo.needs.Needs`. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from cganzoo.config import Config
from cganzoo.errors import PluginError
from cganzoo.needs import Counts, Needs
from cganzoo.specs import MetricSpec

Metrics = Iterable[tuple[MetricSpec[Any], Config]]
"""Metrics with their options."""


def unmet(metrics: Metrics, counts: Callable[[str], Counts]) -> str:
    """Which metrics cannot be computed of these counts, why, and what to change; empty if all can.

    Args:
        metrics: the metrics with their options.
        counts: what the evaluation has, if a split gives its real images.
    """
    found = []
    for spec, needs in _needs(metrics):
        with _fault_of(spec):
            lacks = needs.unmet(counts(spec.reference), spec.reference)
        if lacks:
            found.append(f'metric "{spec.name}" needs {lacks}, or remove this metric')
    return "; ".join(found)


def undefined(metrics: Metrics, counts: Callable[[str], Counts]) -> list[str]:
    """A message for each metric that these counts leave without a score, which is no error."""
    why = {spec.name: needs.undefined(counts(spec.reference)) for spec, needs in _needs(metrics)}
    return [f'note: metric "{name}" will have no score, because {reason}' for name, reason in why.items() if reason]


def _needs(metrics: Metrics) -> Iterator[tuple[MetricSpec[Any], Needs]]:
    for spec, config in metrics:
        with _fault_of(spec):
            needs: object = spec.needs(config)
            if not isinstance(needs, Needs):
                raise TypeError(f"it returns {type(needs).__name__}, not cganzoo.Needs")
        yield spec, needs


@contextmanager
def _fault_of(spec: MetricSpec[Any]) -> Iterator[None]:
    """Report an error of the plugin's function as a fault of the plugin."""
    try:
        yield
    except Exception as error:
        raise PluginError(
            f'metric "{spec.name}": its needs cannot be determined ({type(error).__name__}: {error}); report this to '
            "the plugin's author"
        ) from error
