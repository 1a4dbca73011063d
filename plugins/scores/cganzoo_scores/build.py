"""From options to metrics. torch is imported when one is built, not before."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


def metric(path: str) -> Callable[[Any, Any], Any]:
    """The class at ``"module:name"`` of this package, imported when it is called."""
    module, _, name = path.partition(":")
    return lambda config, context: getattr(importlib.import_module(module), name)(config, context)
