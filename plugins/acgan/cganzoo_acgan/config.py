"""Options of the AC-GAN family."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cganzoo import AdversarialRule, Config, Scalar, at_least

Weight = Annotated[Scalar, at_least(0)]


class GANConfig(Config):
    """Options of the loss ``gan``."""

    adversarial: AdversarialRule = Field(
        "logistic", description="How the real/fake score is trained; the papers use the non-saturating logistic rule."
    )


class GANStarConfig(GANConfig):
    """Options of the loss ``gan_star``."""

    discriminator_class_weight: Weight = Field(
        0.1, description="Weight of the discriminator's class terms; 0.1 is the AM-GAN authors' value."
    )


class ACGANConfig(GANConfig):
    """Options of the losses ``acgan``, ``acgan_star`` and ``acgan_star_plus``."""

    labeling: Literal["predefined", "dynamic"] = Field(
        "predefined",
        description="Class that a fake is pushed to: the one it was asked for, or the classifier's first guess.",
    )
    discriminator_class_weight: Weight = Field(1.0, description="Weight of the discriminator's class terms.")
    generator_class_weight: Weight = Field(
        1.0, description="Weight of the generator's class term; the AM-GAN paper's ablation uses 0.1."
    )
