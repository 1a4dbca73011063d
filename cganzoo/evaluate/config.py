"""Options of the feature extractors, by the name a recipe writes in ``[evaluation.extractor]``."""

from __future__ import annotations

from pydantic import Field

from cganzoo.config import Config


class ClassifierConfig(Config):
    """The ``classifier`` extractor: a timm network trained here, on the training split of the set itself."""

    model: str = Field("resnet18", description="timm model, trained from scratch.")
    width: int | None = Field(
        None, ge=1, description="Channels of a timm ResNet's first stage, doubled at each further one; default: 64."
    )
    epochs: int = Field(30, ge=1, description="Passes over the training split.")
    batch_size: int = Field(64, ge=2, description="Images in a training batch.")
    learning_rate: float = Field(
        0.1,
        gt=0,
        description="Peak rate of SGD, one cycle; meanwhile Nesterov momentum goes from 0.95 to 0.85 and back.",
    )
    weight_decay: float = Field(5e-4, ge=0, description="L2 penalty of SGD.")
    crop_padding: int | None = Field(
        None, ge=0, description="Random shifts of up to this many pixels; 0: none; default: an eighth of the size."
    )
    flip: bool = Field(False, description="Mirror half of the training images; not for digits or letters.")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of weights, order and augmentation.")


EXTRACTORS: dict[str, type[Config]] = {"classifier": ClassifierConfig}
"""Extractors by name."""
