"""Options of the regularizers."""

from __future__ import annotations

from cganzoo import Config


class NoOptions(Config):
    """A regularizer without options of its own."""
