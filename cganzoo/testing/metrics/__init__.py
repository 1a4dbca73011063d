"""The checks of a metric."""

from __future__ import annotations

from .inputs import MetricInputs
from .scores import MetricScores


class MetricConformance(MetricInputs, MetricScores):
    """The checks of a metric, on small synthetic images. Subclass it with the ``name`` of a metric."""

    kind = "metric"
    number_of_checks = 33
