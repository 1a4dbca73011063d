"""Options of ReACGAN."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cganzoo import AdversarialRule, Config, Scalar, at_least


class ReACGANConfig(Config):
    """Options of the loss ``reacgan``; the defaults are the authors' CIFAR-10 values."""

    adversarial: AdversarialRule = Field("hinge", description="Loss of the real/fake score.")
    form: Literal["paper", "released"] = Field(
        "paper",
        description="D2D-CE as in the paper, or as in the released code, which produced the published scores.",
    )
    weight: Annotated[Scalar, at_least(0)] = Field(0.5, description="Weight of the D2D-CE terms.")
    temperature: Annotated[Scalar, at_least(0, exclusive=True)] = Field(0.5, description="Divisor of the cosines.")
    margin_positive: Annotated[Scalar, at_least(-1)] = Field(
        0.98, description="A sample is an easy positive if its cosine to the class proxy is above this."
    )
    margin_negative: Annotated[Scalar, at_least(-1)] | None = Field(
        None, description="Samples of another class with a cosine below this are easy negatives; default: 1 - positive."
    )
    embedding_dim: int = Field(512, ge=1, description="Length of the embeddings on the unit hypersphere.")
