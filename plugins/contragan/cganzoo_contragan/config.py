"""Options of ContraGAN."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cganzoo import AdversarialRule, Config, Scalar, at_least


class ContraGANConfig(Config):
    """Options of the loss ``contragan``; the defaults are the authors' CIFAR-10 values."""

    adversarial: AdversarialRule = Field("hinge", description="Loss of the real/fake score.")
    weight: Annotated[Scalar, at_least(0)] = Field(1.0, description="Weight of the contrastive (2C) terms.")
    temperature: Annotated[Scalar, at_least(0, exclusive=True)] = Field(1.0, description="Divisor of the cosines.")
    embedding_dim: int = Field(512, ge=1, description="Length of the embeddings on the unit hypersphere.")
