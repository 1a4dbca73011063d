"""The conformance kit: what the zoo asks of every component of a kind, for a plugin's own tests.

::

    from cganzoo.testing import LossConformance


    class TestMyLoss(LossConformance):
        name = "my_loss"

Each check is a plain test method without fixtures; ``cganzoo plugin check`` runs the same ones without pytest. Nothing
in the zoo's engine imports this package, and it imports nothing before it is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cganzoo._util.lazy import lazily

if TYPE_CHECKING:
    from .conformance import Conformance, Outcome, run
    from .dataset import DatasetConformance
    from .discriminator import DiscriminatorConformance
    from .evaluated import KnownScores, evaluated_batch
    from .extractor import ExtractorConformance, extractor_context
    from .formula import CASES, TOLERANCE, assert_same, random_batch
    from .generator import GeneratorConformance
    from .logger import LoggerConformance
    from .loss import LossConformance
    from .metric import MetricConformance

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
        "dataset": ("DatasetConformance",),
        "discriminator": ("DiscriminatorConformance",),
        "evaluated": ("KnownScores", "evaluated_batch"),
        "extractor": ("ExtractorConformance", "extractor_context"),
        "formula": ("CASES", "TOLERANCE", "assert_same", "random_batch"),
        "generator": ("GeneratorConformance",),
        "logger": ("LoggerConformance",),
        "loss": ("LossConformance",),
        "metric": ("MetricConformance",),
    },
)
