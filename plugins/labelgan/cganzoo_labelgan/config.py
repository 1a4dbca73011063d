"""Options of LabelGAN: none."""

from __future__ import annotations

from cganzoo import Config


class LabelGANConfig(Config):
    """Options of the loss ``labelgan``."""
