"""cganzoo: a modular zoo of class-conditional GANs.

This module is the plugin author's front door. It imports no torch, and nothing at all before it is asked for, so that
``cganzoo --help`` answers at once. What a component is built from lives in :mod:`cganzoo.objective`,
:mod:`cganzoo.regularizer`, :mod:`cganzoo.augmentation`, :mod:`cganzoo.networks`, :mod:`cganzoo.layers`,
:mod:`cganzoo.functional`, :mod:`cganzoo.metric`, :mod:`cganzoo.extractor`, :mod:`cganzoo.logger` and
:mod:`cganzoo.classification`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._util.lazy import lazily
from ._version import API_VERSION as API_VERSION
from ._version import __version__ as __version__

if TYPE_CHECKING:
    from .config import AdversarialRule as AdversarialRule
    from .config import ArchiveConfig as ArchiveConfig
    from .config import ClassifierConfig as ClassifierConfig
    from .config import Config as Config
    from .config import InsteadOf as InsteadOf
    from .config import Scalar as Scalar
    from .config import Schedule as Schedule
    from .config import Since as Since
    from .config import at_least as at_least
    from .config import at_most as at_most
    from .config import value_at as value_at
    from .contexts import BuildContext as BuildContext
    from .contexts import ExtractorContext as ExtractorContext
    from .hookspecs import hookimpl as hookimpl
    from .images.trained_generator import load_generator as load_generator
    from .needs import Counts as Counts
    from .needs import Needs as Needs
    from .specs import Archive as Archive
    from .specs import AugmentationSpec as AugmentationSpec
    from .specs import Conditioning as Conditioning
    from .specs import DatasetSpec as DatasetSpec
    from .specs import DiscriminatorSpec as DiscriminatorSpec
    from .specs import ExtractorSpec as ExtractorSpec
    from .specs import GeneratorSpec as GeneratorSpec
    from .specs import LoggerSpec as LoggerSpec
    from .specs import LossSpec as LossSpec
    from .specs import MetricOutput as MetricOutput
    from .specs import MetricSpec as MetricSpec
    from .specs import RegularizerSpec as RegularizerSpec

lazily(__name__)
