"""ReACGAN's options."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cganzoo import AdversarialRule, Config, Scalar, at_least


class ReACGANConfig(Config):
    """Options of the loss ``reacgan``; the defaults are the authors' CIFAR-10 values."""

    adversarial: AdversarialRule = Field("hinge", description="How the real/fake score is trained.")
    form: Literal["paper", "released"] = Field(
        "paper",
        description="D2D-CE as the paper prints it, or as the released code, which gave the published scores, has it.",
    )
    weight: Annotated[Scalar, at_least(0)] = Field(0.5, description="Weight of the D2D-CE terms.")
    temperature: Annotated[Scalar, at_least(0, exclusive=True)] = Field(0.5, description="Divides the cosines.")
    margin_positive: Annotated[Scalar, at_least(-1)] = Field(
        0.98, description="Cosine to its class proxy from which on a sample is an easy positive."
    )
    margin_negative: Annotated[Scalar, at_least(-1)] | None = Field(
        None, description="Cosine up to which a sample of another class is an easy negative; default: 1 - positive."
    )
    embedding_dim: int = Field(512, ge=1, description="Length of the embeddings on the unit hypersphere.")
