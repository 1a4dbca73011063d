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
    from .augmentations import AugmentationConformance as AugmentationConformance
    from .conformance import Conformance as Conformance
    from .conformance import Outcome as Outcome
    from .conformance import run as run
    from .datasets.packing import DatasetConformance as DatasetConformance
    from .extractor import ExtractorConformance as ExtractorConformance
    from .extractor import extractor_context as extractor_context
    from .logger import LoggerConformance as LoggerConformance
    from .losses import LossConformance as LossConformance
    from .losses.base import TOLERANCE as TOLERANCE
    from .losses.results import CASES as CASES
    from .losses.results import assert_same as assert_same
    from .losses.results import random_batch as random_batch
    from .metrics.inputs import MetricConformance as MetricConformance
    from .metrics.synthetic import KnownScores as KnownScores
    from .metrics.synthetic import evaluated_batch as evaluated_batch
    from .networks.discriminator import DiscriminatorConformance as DiscriminatorConformance
    from .networks.generator import GeneratorConformance as GeneratorConformance
    from .regularizers import RegularizerConformance as RegularizerConformance

lazily(__name__)
