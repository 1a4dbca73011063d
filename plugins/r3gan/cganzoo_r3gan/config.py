"""Options of R3GAN; the defaults of the networks are the paper's for CIFAR-10 (Config E, 32 px)."""

from __future__ import annotations

from pydantic import Field, model_validator

from cganzoo import Config


class R3GANConfig(Config):
    """Options of the loss ``r3gan``: none. Its gradient penalties are the regularizers ``r1`` and ``r2``."""


class R3GANNetworkConfig(Config):
    """Options that the generator and the discriminator ``r3gan`` share."""

    width: int = Field(768, ge=1, description="Channels of the feature maps of up to full_width pixels.")
    full_width: int = Field(
        32, ge=4, description="Side of the largest feature maps with this width; each doubling above it halves width."
    )
    blocks: int = Field(2, ge=1, description="Residual blocks for each size of feature maps.")
    groups: int = Field(
        96, ge=1, description="Groups of the 3x3 convolutions; where the width is halved, the groups are, too."
    )
    expansion: int = Field(2, ge=1, description="Channels between the 1x1 convolutions of a block, times width.")

    @model_validator(mode="after")
    def _groups_divide_the_channels(self) -> R3GANNetworkConfig:
        expanded = self.width * self.expansion
        if expanded % self.groups:
            divisors = [count for count in range(1, expanded + 1) if expanded % count == 0]
            nearest = min(divisors, key=lambda count: abs(count - self.groups))
            raise ValueError(
                f"groups = {self.groups} does not divide width x expansion = {expanded} channels; "
                f"write groups = {nearest}"
            )
        return self


class R3GANGeneratorConfig(R3GANNetworkConfig):
    """Options of the generator ``r3gan``."""

    conditional: bool = Field(True, description="Whether a class embedding is concatenated with the noise.")
    latent_dim: int = Field(64, ge=1, description="Length of the noise vector.")
    class_dim: int = Field(64, ge=1, description="Length of the class embedding.")


class R3GANDiscriminatorConfig(R3GANNetworkConfig):
    """Options of the discriminator trunk ``r3gan``."""
