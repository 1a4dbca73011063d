"""Options of R3GAN."""

from __future__ import annotations

from cganzoo import Config


class R3GANConfig(Config):
    """Options of the loss ``r3gan``: none. Its gradient penalties are the regularizers ``r1`` and ``r2``."""
