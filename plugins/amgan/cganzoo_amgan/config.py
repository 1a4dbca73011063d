"""AM-GAN's options."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cganzoo import Config


class AMGANConfig(Config):
    """Options of the loss ``amgan``."""

    labeling: Literal["predefined", "dynamic"] = Field(
        "predefined",
        description="Class that a fake is pushed to: the one it was asked for, or the discriminator's first guess.",
    )
