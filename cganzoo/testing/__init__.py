"""The conformance kit: checks of every kind of component, for a plugin's own tests.

::

    from cganzoo.testing import LossConformance


    class TestMyLoss(LossConformance):
        name = "my_loss"

Each check is a plain test method without fixtures; ``cganzoo plugin check`` runs the same ones without pytest. The
training imports nothing from this package, and it imports its modules when a name is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cganzoo._util.lazy import lazily

if TYPE_CHECKING:
    from .conformance import Conformance, Outcome, run
    from .datasets.packing import DatasetConformance
    from .extractor import ExtractorConformance, extractor_context
    from .logger import LoggerConformance
    from .losses import LossConformance
    from .losses.base import TOLERANCE
    from .losses.results import CASES, assert_same, random_batch
    from .metrics.inputs import MetricConformance
    from .metrics.synthetic import KnownScores, evaluated_batch
    from .networks.discriminator import DiscriminatorConformance
    from .networks.generator import GeneratorConformance

__all__ = [
    "CASES",
    "TOLERANCE",
    "Conformance",
    "DatasetConformance",
    "DiscriminatorConformance",
    "ExtractorConformance",
    "GeneratorConformance",
    "KnownScores",
    "LoggerConformance",
    "LossConformance",
    "MetricConformance",
    "Outcome",
    "assert_same",
    "evaluated_batch",
    "extractor_context",
    "random_batch",
    "run",
]

__getattr__ = lazily(
    __name__,
    {
        "conformance": ("Conformance", "Outcome", "run"),
        "datasets.packing": ("DatasetConformance",),
        "extractor": ("ExtractorConformance", "extractor_context"),
        "logger": ("LoggerConformance",),
        "losses": ("LossConformance",),
        "losses.base": ("TOLERANCE",),
        "losses.results": ("CASES", "assert_same", "random_batch"),
        "metrics.inputs": ("MetricConformance",),
        "metrics.synthetic": ("KnownScores", "evaluated_batch"),
        "networks.discriminator": ("DiscriminatorConformance",),
        "networks.generator": ("GeneratorConformance",),
    },
)
