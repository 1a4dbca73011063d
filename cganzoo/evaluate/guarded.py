"""A metric whose failure does not end an evaluation: it is recorded, and the other metrics are still computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from torch import Tensor

from cganzoo._util import places
from cganzoo._util.lazy import Import
from cganzoo._util.memory import is_out_of_memory, what_ran_out
from cganzoo._util.text import shortened
from cganzoo.config import Config
from cganzoo.errors import CganzooError
from cganzoo.metric import Metric, Recall
from cganzoo.specs import NAME, BuildContext, MetricSpec

T = TypeVar("T")

Scores = dict[str, float | None]
"""Metric outputs by name; ``None`` for one that is not defined, not finite, or of a failed metric. JSON values."""

MetricOptions = tuple[MetricSpec[Any], Config]
"""A metric with its options."""

LONGEST_REASON = 300
"""Characters of an error's text that are kept."""

AUTHOR = "report this to the plugin's author"


class Guarded:
    """A metric of an evaluation, and why it failed. After a failure, it receives nothing and its memory is released.

    Attributes:
        failure: one message; ``None`` if it has not failed.
        refused: whether the metric itself refused the images with a :class:`CganzooError`, so that it would refuse them
            again. Other failures, such as too little memory, may not come again.
    """

    def __init__(self, spec: MetricSpec[Any], config: Config, context: BuildContext) -> None:
        self.spec = spec
        self.failure: str | None = None
        self.refused = False
        path = spec.build.path if isinstance(spec.build, Import) else getattr(spec.build, "__module__", "")
        self._within = places.sources([path])
        self._metric = self._tried(lambda: spec.build(config, context))
        if self._metric is not None:
            self._within = places.sources([type(self._metric).__module__])

    def feed(self, method: str, *arguments: object) -> None:
        """Call one of the methods that take images or the generator."""
        self._ask(lambda metric: getattr(metric, method)(*arguments))

    def scores(self) -> Scores:
        """The outputs. All are ``None`` after a failure; one that is not finite is ``None``, and is a failure."""
        found = self._ask(lambda metric: self._checked(metric.compute()))
        if found is None:
            return dict.fromkeys(output.name for output in self.spec.outputs)
        kept = {name: _finite(value) for name, value in found.items()}
        odd = [f'"{name}" is {value}' for name, value in found.items() if value != kept[name]]
        if odd:
            self.failure = f"{', '.join(odd)}, which is not a finite number"
        return kept

    def per_class(self, num_classes: int) -> dict[str, list[float | None]]:
        """The outputs that have one number for each class, in the order of the classes."""
        return self._ask(lambda metric: self._checked_classes(metric.per_class(), num_classes)) or {}

    def pictures(self, recall: Recall) -> Mapping[str, Tensor]:
        """The pictures (C, H, W) by name."""
        return self._ask(lambda metric: _checked_pictures(metric.pictures(recall))) or {}

    def _checked(self, result: Mapping[str, float | None]) -> Scores:
        declared = [output.name for output in self.spec.outputs]
        if set(result) != set(declared):
            raise _FaultError(f"it reports {sorted(result)}, but its spec declares {sorted(declared)}")
        return {name: None if result[name] is None else float(result[name]) for name in declared}  # type: ignore[arg-type]

    def _checked_classes(
        self, result: Mapping[str, Iterable[float | None]], num_classes: int
    ) -> dict[str, list[float | None]]:
        declared = {output.name for output in self.spec.outputs}
        found = {name: [_finite(value) for value in values] for name, values in result.items()}
        for name, values in found.items():
            if name not in declared or len(values) != num_classes:
                raise _FaultError(
                    f'it reports {len(values)} numbers of "{name}" for {num_classes} classes, and its spec declares '
                    f"{sorted(declared)}"
                )
        return found

    def _ask(self, question: Callable[[Metric], T]) -> T | None:
        """The answer of the metric; ``None`` if it has failed."""
        metric = self._metric
        return None if metric is None else self._tried(lambda: question(metric))

    def _tried(self, call: Callable[[], T]) -> T | None:
        """The result of a call; ``None`` after an error, which is the metric's failure."""
        try:
            return call()
        except Exception as error:
            if self.failure is None:
                self.failure, self.refused = self._reason(error), isinstance(error, CganzooError)
        self._metric = None  # its memory may be what another metric needs
        return None

    def _reason(self, error: Exception) -> str:
        if isinstance(error, CganzooError):
            return _first_line(error)
        if is_out_of_memory(error):
            return f"{what_ran_out(error)}; lower evaluation.samples or its options, or remove this metric"
        place, _ = places.raised(error, self._within)
        at = f" at {place}" if place else ""
        kind = "" if isinstance(error, _FaultError) else f"{type(error).__name__}{at}: "
        return f"{kind}{_first_line(error)}; {AUTHOR}"


class _FaultError(Exception):
    """What a metric reports is not what its spec declares."""


def _checked_pictures(result: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for name, picture in result.items():
        if not NAME.fullmatch(name):
            raise _FaultError(f"the name of its picture {name!r} is not lower snake case")
        shape = tuple(picture.shape)
        if len(shape) != 3 or shape[0] not in (1, 3) or 0 in shape:
            raise _FaultError(f'its picture "{name}" has the shape {shape}, not (1 or 3, height, width)')
    return dict(result)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return shortened(lines[0].rstrip(".;: "), LONGEST_REASON) if lines else type(error).__name__


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
