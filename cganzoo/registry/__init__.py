"""The plugins that are installed: found, loaded, listed, and survived. No torch here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cganzoo._util.lazy import lazily

if TYPE_CHECKING:
    from .discovery import Provider
    from .loading import ALLOW_LIST, KIND_OF_HOOK, load_plugins
    from .registry import Component, LoadFailure, Plugin, Registry

__all__ = [
    "ALLOW_LIST",
    "KIND_OF_HOOK",
    "Component",
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
        "loading": ("ALLOW_LIST", "KIND_OF_HOOK", "load_plugins"),
        "registry": ("Component", "LoadFailure", "Plugin", "Registry"),
    },
)
