"""Options of the AC-GAN family."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cganzoo import AdversarialRule, Config, Scalar, at_least

Weight = Annotated[Scalar, at_least(0)]


class GANConfig(Config):
    """Options of the loss ``gan``."""

    adversarial: AdversarialRule = Field(
        "logistic", description="Loss of the real/fake score; the papers use the non-saturating logistic loss."
    )


class GANStarConfig(GANConfig):
    """Options of the loss ``gan_star``."""

    discriminator_class_weight: Weight = Field(
        0.1, description="Weight of the discriminator's class term; 0.1 is the value of the AM-GAN authors."
    )


class ACGANConfig(GANConfig):
    """Options of the losses ``acgan``, ``acgan_star`` and ``acgan_star_plus``."""

    labeling: Literal["predefined", "dynamic"] = Field(
        "predefined",
        description="Target class of a fake: the requested class, or the most likely class of the classifier.",
    )
    discriminator_class_weight: Weight = Field(1.0, description="Weight of the discriminator's class terms.")
    generator_class_weight: Weight = Field(
        1.0, description="Weight of the generator's class term; the AM-GAN paper's ablation uses 0.1."
    )
