"""The installed plugins: finding them, loading them, and looking their components up. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cganzoo._util.lazy import lazily

if TYPE_CHECKING:
    from .discovery import Provider as Provider
    from .kinds import KIND_OF_HOOK as KIND_OF_HOOK
    from .kinds import KINDS as KINDS
    from .loading import ALLOW_LIST as ALLOW_LIST
    from .loading import load_plugins as load_plugins
    from .registry import Component as Component
    from .registry import Plugin as Plugin
    from .registry import Registry as Registry

lazily(__name__)
