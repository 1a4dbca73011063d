"""Options of the feature extractors, by the name a recipe writes in ``[evaluation.extractor]``."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field

from cganzoo.config import Config


class ClassifierConfig(Config):
    """The ``classifier`` extractor: a timm network trained here, on the training split of the set itself."""

    model: str = Field(
        "resnet18",
        description='timm model, trained from scratch, or "densenet_bc_40_40": DenseNet-BC of growth 40 and depth 40.',
    )
    width: int | None = Field(
        None, ge=1, description="Channels of a timm ResNet's first stage, doubled at each further one; default: 64."
    )
    stem_stride: Literal[1, 2] = Field(
        1, description="Stride of the stem for images up to 64 px: 2 costs a quarter and sees less detail."
    )
    epochs: int = Field(30, ge=1, description="Passes over the training split.")
    steps: int | None = Field(
        None, ge=2, description="Training batches, in place of epochs: the cost no longer depends on the set's size."
    )
    batch_size: int = Field(64, ge=2, description="Images in a training batch.")
    schedule: Literal["one_cycle", "step"] = Field(
        "one_cycle",
        description="one_cycle: the rate rises to learning_rate and falls to nearly 0, while Nesterov momentum goes "
        "from 0.95 to 0.85 and back. step: a tenth of learning_rate from half of the training on, a hundredth from "
        "three quarters on, and momentum 0.9.",
    )
    learning_rate: float = Field(0.1, gt=0, description="Peak rate of SGD.")
    weight_decay: float = Field(5e-4, ge=0, description="L2 penalty of SGD.")
    crop_padding: int | None = Field(
        None, ge=0, description="Random shifts of up to this many pixels; 0: none; default: an eighth of the size."
    )
    flip: bool = Field(False, description="Mirror half of the training images; not for digits or letters.")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of weights, order and augmentation.")


TIMM = "timm/[^/]+"
"""Name of an extractor that is a pretrained timm network."""


class InceptionConfig(Config):
    """The ``inception`` extractor: the network that the FID and Inception Score of the literature are made with."""

    weights: str | None = Field(
        None, description="File of torch-fidelity's weights; default: downloaded once and kept in the cache."
    )


class TimmConfig(Config):
    """The ``timm/<model>`` extractor: a pretrained timm network."""

    name: str = Field(pattern=f"^{TIMM}$", description="timm/ and the model's name.")
    weights: str | None = Field(
        None, description="File of the model's weights, .safetensors or .pth; default: from the Hugging Face hub."
    )
    input_size: int | None = Field(
        None, ge=1, description="Size (pixels) that images are resized to; default: the one it was trained with."
    )

    @property
    def model(self) -> str:
        """The model's name as timm has it."""
        return self.name.removeprefix("timm/")


EXTRACTORS: dict[str, type[Config]] = {
    "classifier": ClassifierConfig,
    "inception": InceptionConfig,
    "timm/<model>": TimmConfig,
}
"""Extractors by name."""


def extractor_config(name: str) -> type[Config] | None:
    """What the options of the extractor of this name are made of; ``None``: there is no such extractor."""
    return TimmConfig if re.fullmatch(TIMM, name) else EXTRACTORS.get(name)
