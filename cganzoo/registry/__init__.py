"""The installed plugins: finding them, loading them, and looking their components up. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cganzoo._util.lazy import lazily

if TYPE_CHECKING:
    from .discovery import Provider
    from .kinds import KIND_OF_HOOK, KINDS, Kind
    from .loading import ALLOW_LIST, load_plugins
    from .registry import Component, LoadFailure, Plugin, Registry

__all__ = [
    "ALLOW_LIST",
    "KINDS",
    "KIND_OF_HOOK",
    "Component",
    "Kind",
    "LoadFailure",
    "Plugin",
    "Provider",
    "Registry",
    "load_plugins",
]

__getattr__ = lazily(
    __name__,
    {
        "discovery": ("Provider",),
        "kinds": ("KINDS", "KIND_OF_HOOK", "Kind"),
        "loading": ("ALLOW_LIST", "load_plugins"),
        "registry": ("Component", "LoadFailure", "Plugin", "Registry"),
    },
)
