"""cganzoo: a modular zoo of class-conditional GANs.

This module is the plugin author's front door. It imports no torch, and nothing at all before it is asked for, so that
``cganzoo --help`` answers at once. What a component is built from lives in :mod:`cganzoo.objective`,
:mod:`cganzoo.networks`, :mod:`cganzoo.functional`, :mod:`cganzoo.metric`, :mod:`cganzoo.extractor`,
:mod:`cganzoo.logger` and :mod:`cganzoo.classification`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._util.lazy import lazily
from ._version import API_VERSION, __version__

if TYPE_CHECKING:
    from .config import (
        AdversarialRule,
        ArchiveConfig,
        ClassifierConfig,
        Config,
        Scalar,
        Schedule,
        at_least,
        value_at,
    )
    from .hookspecs import hookimpl
    from .images.trained import load_generator
    from .specs import (
        Archive,
        BuildContext,
        Conditioning,
        DatasetSpec,
        DiscriminatorSpec,
        ExtractorContext,
        ExtractorSpec,
        GeneratorSpec,
        LoggerSpec,
        LossSpec,
        MetricOutput,
        MetricSpec,
    )

__all__ = [
    "API_VERSION",
    "AdversarialRule",
    "Archive",
    "ArchiveConfig",
    "BuildContext",
    "ClassifierConfig",
    "Conditioning",
    "Config",
    "DatasetSpec",
    "DiscriminatorSpec",
    "ExtractorContext",
    "ExtractorSpec",
    "GeneratorSpec",
    "LoggerSpec",
    "LossSpec",
    "MetricOutput",
    "MetricSpec",
    "Scalar",
    "Schedule",
    "__version__",
    "at_least",
    "hookimpl",
    "load_generator",
    "value_at",
]

__getattr__ = lazily(
    __name__,
    {
        "config": (
            "AdversarialRule",
            "ArchiveConfig",
            "ClassifierConfig",
            "Config",
            "Scalar",
            "Schedule",
            "at_least",
            "value_at",
        ),
        "hookspecs": ("hookimpl",),
        "images.trained": ("load_generator",),
        "specs": (
            "Archive",
            "BuildContext",
            "Conditioning",
            "DatasetSpec",
            "DiscriminatorSpec",
            "ExtractorContext",
            "ExtractorSpec",
            "GeneratorSpec",
            "LoggerSpec",
            "LossSpec",
            "MetricOutput",
            "MetricSpec",
        ),
    },
)
