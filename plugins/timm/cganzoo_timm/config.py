"""Options of the trunk ``timm``; the defaults are those of Projected GANs (arXiv:2111.01007)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from cganzoo import Config


def _ascending(stages: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if stages is not None and (not stages or min(stages) < 0 or sorted(set(stages)) != list(stages)):
        raise ValueError("write numbers from 0, each once, in ascending order: [1, 2, 3]")
    return stages


class TimmDiscriminatorConfig(Config):
    """Options of the discriminator trunk ``timm``."""

    model: str = Field("tf_efficientnet_lite0", description="The model's name in timm.")
    weights: str = Field(
        "pretrained",
        description='"pretrained": from the Hugging Face hub; "random"; or a file, .safetensors or .pth.',
    )
    trained: bool = Field(False, description="Whether the model is trained, too; if not, it is frozen.")
    stages: Annotated[tuple[int, ...] | None, AfterValidator(_ascending)] = Field(
        None,
        description="Numbers of the model's feature maps, from 0; default: the last four sizes, or, if all maps have "
        "one size, four evenly spaced ones.",
    )
    input_size: int | None = Field(
        None,
        ge=8,
        description="Size (pixels) that images are resized to; default: the one of the model's training, or that of "
        "the images if it is larger and the model takes it.",
    )
    mixing: Literal["scales", "channels", "none"] = Field(
        "scales",
        description="Frozen random convolutions after the model: scales (each map gets the coarser ones, too), "
        "channels (1x1 convolutions), or none.",
    )
    width: int = Field(64, ge=1, description="Channels of the mixed maps and in the heads.")
    head_dim: int = Field(64, ge=1, description="Length of each head's vector; there is one head for each map.")
    spectral_norm: bool = Field(True, description="Spectral normalisation of the convolutions in the heads.")
