"""Options of the regularizers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cganzoo import Config, Scalar, at_least

Factor = Annotated[Scalar, at_least(0)]


class NoOptions(Config):
    """A regularizer without options of its own: ``r1`` and ``r2``."""


class GradientPenaltyConfig(Config):
    """Options of the regularizer ``gradient_penalty``."""

    slope: Annotated[Scalar, at_least(0)] = Field(
        1.0, description="The norm that the gradient of the score shall have between real and fake images."
    )


class DRAGANConfig(GradientPenaltyConfig):
    """Options of the regularizer ``dragan``."""

    slope: Annotated[Scalar, at_least(0)] = Field(
        1.0, description="The norm that the gradient of the score shall have near real images."
    )
    noise: Annotated[Scalar, at_least(0)] = Field(
        0.5, description="Largest change of a pixel, as a multiple of the standard deviation of all pixels."
    )


class CRConfig(Config):
    """Options of the regularizer ``cr``."""

    flip: bool = Field(True, description="The second view is mirrored left-right or not; not for digits or letters.")
    shift: float = Field(
        0.125,
        ge=0,
        lt=1,
        description="The second view is moved by up to this share of the size in both directions, at least one pixel; "
        "the pixels at its edge are repeated. 0: not at all.",
    )
    of: Literal["score", "features"] = Field(
        "score", description="What shall be equal for both views: the score of the loss, or the features of the trunk."
    )

    @model_validator(mode="after")
    def _two_views(self) -> CRConfig:
        if not (self.flip or self.shift):
            raise ValueError(
                "with flip = false and shift = 0, both views are equal and the term is always 0; write shift = 0.125"
            )
        return self


class BCRConfig(CRConfig):
    """Options of the regularizer ``bcr``."""

    fake_factor: Factor = Field(1.0, description="Factor of the term of fakes; that of real images has the factor 1.")


class ZCRConfig(Config):
    """Options of the regularizer ``zcr``."""

    noise: Annotated[Scalar, at_least(0, exclusive=True)] = Field(
        0.05, description="Standard deviation of the Gaussian noise that is added to the latents."
    )
    discriminator_factor: Factor = Field(20.0, description="Factor of the discriminator's term.")
    generator_factor: Factor = Field(0.5, description="Factor of the generator's term.")


class LeCamConfig(Config):
    """Options of the regularizer ``lecam``."""

    decay: float = Field(
        0.99, ge=0, lt=1, description="Decay of the moving averages of the scores, at each update of the discriminator."
    )
    start: int = Field(
        0, ge=0, description="Generator steps before the first one with a penalty; the averages begin at step 0."
    )
    form: Literal["paper", "released"] = Field(
        "paper",
        description="The penalty as in the paper, or as in the released code, which counts only scores on the right "
        "side: of real images above the average of fakes, and of fakes below that of real images.",
    )


class OrthogonalConfig(Config):
    """Options of the regularizer ``orthogonal``."""

    players: Literal["generator", "discriminator", "both"] = Field(
        "generator", description="Whose weights are regularized; those of the discriminator include the loss's heads."
    )
    skip: tuple[str, ...] = Field(
        ("embedding",), description="Parameters whose names contain one of these strings are not regularized."
    )
