"""Options of the augmentations."""

from __future__ import annotations

from pydantic import Field

from cganzoo import Config


class DiffAugmentConfig(Config):
    """Options of ``diffaugment``."""

    brightness: float = Field(0.5, ge=0, description="Greatest change of brightness.")
