"""Options of AM-GAN."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cganzoo import Config


class AMGANConfig(Config):
    """Options of the loss ``amgan``."""

    labeling: Literal["predefined", "dynamic"] = Field(
        "predefined",
        description="Target class of a fake: the requested class, or the most likely class of the discriminator.",
    )
