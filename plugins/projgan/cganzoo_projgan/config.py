"""ProjGAN's options."""

from __future__ import annotations

from pydantic import Field

from cganzoo import AdversarialRule, Config


class ProjGANConfig(Config):
    """Options of the loss ``projgan``."""

    adversarial: AdversarialRule = Field("hinge", description="How the score is trained; the paper uses hinge.")
