"""Options of ProjGAN."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cganzoo import AdversarialRule, Config, Scalar, Since, at_least


class ProjGANConfig(Config):
    """Options of the loss ``projgan``."""

    adversarial: AdversarialRule = Field("hinge", description="Loss of the score; the paper uses hinge.")
    class_weight: Annotated[Scalar, at_least(0), Since("0.2")] = Field(
        1.0,
        description="Factor of the score's class term; with 0, the score does not depend on the class. A schedule from "
        "0 to 1 is transitional training (arXiv:2201.06578).",
    )
