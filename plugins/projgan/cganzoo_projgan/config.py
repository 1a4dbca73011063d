"""Options of ProjGAN."""

from __future__ import annotations

from pydantic import Field

from cganzoo import AdversarialRule, Config


class ProjGANConfig(Config):
    """Options of the loss ``projgan``."""

    adversarial: AdversarialRule = Field("hinge", description="Loss of the score; the paper uses hinge.")
