"""The feature extractors of the host, through the same hook as any plugin's. No torch here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from cganzoo.config import ClassifierConfig, Config
from cganzoo.hookspecs import hookimpl
from cganzoo.specs import ExtractorSpec


class InceptionConfig(Config):
    """The ``inception`` extractor: the network that the FID and Inception Score of the literature are made with."""

    weights: str | None = Field(
        None, description="File of torch-fidelity's weights; default: downloaded once and kept in the cache."
    )


class TimmConfig(Config):
    """The ``timm/<model>`` extractor: a pretrained timm network."""

    model: str = Field(description="The model's name in timm.")
    weights: str | None = Field(
        None, description="File of the model's weights, .safetensors or .pth; default: from the Hugging Face hub."
    )
    input_size: int | None = Field(
        None, ge=1, description="Size (pixels) that images are resized to; default: the one it was trained with."
    )


@hookimpl
def cganzoo_extractors() -> Iterable[ExtractorSpec[Any]]:
    """A classifier of the set's own classes, the network of FID, and the networks of timm."""
    yield ExtractorSpec(
        name="classifier",
        summary="A timm network trained on the training split of the set itself",
        config=ClassifierConfig,
        build="cganzoo.evaluate.classifier:build",
    )
    yield ExtractorSpec(
        name="inception",
        summary="The Inception network that FID and Inception Score of the literature use",
        config=InceptionConfig,
        build="cganzoo.evaluate.inception:build",
        paper="arXiv:1512.00567",
    )
    yield ExtractorSpec(
        name="timm",
        summary="A pretrained network of timm, written timm/<model>",
        config=TimmConfig,
        build="cganzoo.evaluate.pretrained:build",
        argument="model",
    )
