"""The ``timm/<model>`` extractor: a pretrained timm network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import Tensor
from torch.nn import functional as F

from cganzoo.errors import RecipeError
from cganzoo.extractor import Extractor, weights_hash
from cganzoo.pretrained import pretrained_model
from cganzoo.specs import ExtractorContext

from .extractors import TimmConfig

PART = 50  # images in a batch: they are enlarged
NAME, WEIGHTS = "evaluation.extractor.name", "evaluation.extractor.weights"


class Pretrained(Extractor):
    """A timm network with its published weights.

    Features are the input of its classifier; logits are the classifier's output, for the classes of its training, not
    of the data set. A network without a classifier (a self-supervised one, for example) has logits (N, 0). The whole
    image is resized to the network's input with the interpolation of its training, antialiased, and then normalised
    with the mean and standard deviation of its training; gray images are repeated to its channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: Any, config: TimmConfig) -> None:
        super().__init__()
        self.network, self.model = network, config.model
        trained: dict[str, Any] = network.pretrained_cfg
        self.channels = trained["input_size"][0]
        self.input_size = config.input_size or trained["input_size"][-1]
        self.interpolation = "bilinear" if trained["interpolation"] == "bilinear" else "bicubic"
        self.register_buffer("mean", torch.tensor(trained["mean"]), persistent=False)
        self.register_buffer("std", torch.tensor(trained["std"]), persistent=False)
        self.num_classes = network.num_classes
        self.eval().requires_grad_(False)
        features, logits = self._compute(torch.zeros(2, self.channels, self.input_size, self.input_size))
        if features.ndim != 2 or logits.shape != (2, self.num_classes):
            raise ValueError(f"it gives features {tuple(features.shape)} and logits {tuple(logits.shape)}")
        self.feature_dim = features.shape[1]
        self._weights_hash = weights_hash(network)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Extractor`."""
        features, logits = zip(*(self._compute(self.prepare(part)) for part in torch.split(images, PART)), strict=True)
        return torch.cat(features), torch.cat(logits)

    def prepare(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1], resized and normalised for the network."""
        images = (images.expand(-1, self.channels, -1, -1) + 1) / 2
        size = (self.input_size, self.input_size)
        if images.shape[-2:] != size:
            images = F.interpolate(images, size, mode=self.interpolation, align_corners=False, antialias=True)
            images = images.clamp(0, 1)  # bicubic interpolation gives values that no image file has
        return (images - self.mean[:, None, None]) / self.std[:, None, None]

    def _compute(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.network.forward_features(images)
        features = self.network.forward_head(maps, pre_logits=True)
        if self.num_classes == 0:
            return features, features.new_empty(len(features), 0)
        return features, self.network.forward_head(maps)

    def protocol(self) -> Mapping[str, Any]:
        """See :class:`Extractor`."""
        return {
            "kind": "timm",
            "model": self.model,
            "weights": self._weights_hash,
            "input_size": self.input_size,
            "interpolation": self.interpolation,
            "library": f"timm {timm.__version__}",
        }

    def description(self) -> str:
        """See :class:`Extractor`."""
        classes = f"{self.num_classes} classes" if self.num_classes else "no classes"
        return (
            f"timm/{self.model}: {self.feature_dim} features and {classes}, images resized to {self.input_size} px, "
            f"weights {self._weights_hash}"
        )


def build(config: TimmConfig, context: ExtractorContext) -> Pretrained:
    """The extractor of a recipe."""
    return load(config, image_channels=context.image_channels)


def load(config: TimmConfig, *, image_channels: int) -> Pretrained:
    """The network with the weights of ``config.weights``, or of the Hugging Face hub, which keeps its own cache."""
    network = pretrained_model(
        config.model, config.weights, key=NAME, weights_key=WEIGHTS, prefix="timm/", input_size=config.input_size
    )
    try:
        extractor = Pretrained(network, config)
    except Exception as error:  # timm models raise different errors for sizes that they do not take
        raise RecipeError(
            f'{NAME} = "timm/{config.model}": does not take images of {config.input_size or "its own"} px ({error}); '
            "write another evaluation.extractor.input_size, or another model"
        ) from error
    if image_channels not in (1, extractor.channels):
        raise RecipeError(
            f'{NAME} = "timm/{config.model}": takes images of {extractor.channels} channels, not {image_channels}; '
            "write another model"
        )
    return extractor
