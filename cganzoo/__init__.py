"""cganzoo: a modular zoo of class-conditional GANs.

This module is the plugin author's front door and imports no torch; what a component is built from lives in
:mod:`cganzoo.objective`, :mod:`cganzoo.networks`, :mod:`cganzoo.functional` and :mod:`cganzoo.metric`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__
from .config import AdversarialRule, Config, Scalar, Schedule, at_least
from .hookspecs import hookimpl
from .specs import (
    BuildContext,
    Conditioning,
    DatasetSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    MetricOutput,
    MetricSpec,
)

if TYPE_CHECKING:
    from .export import load_generator as load_generator

__all__ = [
    "AdversarialRule",
    "BuildContext",
    "Conditioning",
    "Config",
    "DatasetSpec",
    "DiscriminatorSpec",
    "GeneratorSpec",
    "LossSpec",
    "MetricOutput",
    "MetricSpec",
    "Scalar",
    "Schedule",
    "__version__",
    "at_least",
    "hookimpl",
    "load_generator",
]


def __getattr__(name: str) -> Any:
    # load_generator needs torch, which this module must not import.
    if name == "load_generator":
        from .export import load_generator

        return load_generator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
