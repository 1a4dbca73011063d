"""The ``classifier`` extractor: a timm network on the set's own images and classes, and its file."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import timm
import torch
from torch import Tensor, nn

from cganzoo.errors import RecipeError, RunError
from cganzoo.files import write_whole

from .config import ClassifierConfig
from .extractor import Extractor, weights_hash
from .seeding import seeded

METADATA_KEY = "cganzoo_classifier"
SMALL = 64
"""Up to this size (pixels) a ResNet's stem keeps the resolution: a 3x3 convolution of stride 1 and no pooling."""


@dataclass(frozen=True)
class Shape:
    """What the network takes and tells apart."""

    image_channels: int
    image_size: int
    num_classes: int


class Classifier(Extractor):
    """A timm network; features are what its last linear layer sees.

    Args:
        config: the options; ``config.seed`` decides the weights, and torch's global generators are left as they were.
        shape: of the images, and the number of classes.

    Attributes:
        mean, std: (C,), of each channel of the training images in [-1, 1]. Images are normalised with these and never
            with statistics of the images being scored, which would hide a shift of brightness or contrast.
        accuracy: share of ``accuracy_count`` held-out images that it classifies correctly.
    """

    mean: Tensor
    std: Tensor
    accuracy: float
    accuracy_count: int

    def __init__(self, config: ClassifierConfig, shape: Shape) -> None:
        super().__init__()
        self.config, self.shape = config, shape
        with seeded(config.seed):
            self.network, self.feature_dim = _network(config, shape)
        self.num_classes = shape.num_classes
        self.register_buffer("mean", torch.zeros(shape.image_channels))
        self.register_buffer("std", torch.ones(shape.image_channels))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Extractor`."""
        normalised = (images - self.mean[:, None, None]) / self.std[:, None, None]
        return _features_and_logits(self.network, normalised)

    def protocol(self) -> Mapping[str, Any]:
        """See :class:`Extractor`."""
        return {
            "kind": "classifier",
            "model": self.config.model,
            "width": self.config.width,
            "weights": weights_hash(self),
            "accuracy": self.accuracy,
            "accuracy_count": self.accuracy_count,
        }


def _features_and_logits(network: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    features = network.forward_head(network.forward_features(images), pre_logits=True)
    return features, network.get_classifier()(features)


def _network(config: ClassifierConfig, shape: Shape) -> tuple[Any, int]:
    """A timm network for such images, and the size of its features."""
    if not timm.is_model(config.model):
        close = difflib.get_close_matches(config.model, timm.list_models(), n=1)
        hint = f'did you mean "{close[0]}"?' if close else 'write one that timm.list_models() names, such as "resnet18"'
        raise RecipeError(f'evaluation.extractor.model = "{config.model}" is no timm model; {hint}')
    options: dict[str, Any] = (
        {} if config.width is None else {"channels": tuple(config.width << stage for stage in range(4))}
    )
    try:
        network: Any = timm.create_model(
            config.model, pretrained=False, in_chans=shape.image_channels, num_classes=shape.num_classes, **options
        )
        if isinstance(network, timm.models.ResNet) and shape.image_size <= SMALL:
            _keep_resolution(network, shape.image_channels)
        with torch.no_grad():
            blank = torch.zeros(1, shape.image_channels, shape.image_size, shape.image_size)
            features, _ = _features_and_logits(network.eval(), blank)
    except Exception as error:  # whatever a timm model says of a size or an option that it does not take
        raise RecipeError(
            f'evaluation.extractor.model = "{config.model}" cannot be built for {shape.image_size}x{shape.image_size} '
            f"images{'' if config.width is None else f' with width = {config.width}'} ({error}); "
            'write a convolutional one, such as "resnet18" (width is for ResNets)'
        ) from error
    return network, features.shape[1]


def _keep_resolution(resnet: Any, image_channels: int) -> None:
    resnet.conv1 = nn.Conv2d(image_channels, resnet.bn1.num_features, 3, padding=1, bias=False)
    resnet.maxpool = nn.Identity()


def save(classifier: Classifier, path: Path) -> None:
    """Write the weights, how they were made and how good they are to one safetensors file, whole or not at all."""
    entry = {
        "config": classifier.config.model_dump(),
        "shape": asdict(classifier.shape),
        "accuracy": classifier.accuracy,
        "accuracy_count": classifier.accuracy_count,
        "weights": weights_hash(classifier),
    }
    weights = {name: tensor.cpu().contiguous() for name, tensor in classifier.state_dict().items()}
    write_whole(path, safetensors.torch.save(weights, metadata={METADATA_KEY: json.dumps(entry)}))


def load(path: Path, device: torch.device | str = "cpu") -> Classifier:
    """Read what :func:`save` wrote.

    Raises:
        RunError: there is no such file, or it is not one of these, or it is damaged.
    """
    try:
        with safetensors.safe_open(path, "pt") as opened:
            entry = json.loads((opened.metadata() or {})[METADATA_KEY])
            weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)
        classifier = Classifier(ClassifierConfig(**entry["config"]), Shape(**entry["shape"]))
        classifier.load_state_dict(weights)
        classifier.accuracy, classifier.accuracy_count = entry["accuracy"], entry["accuracy_count"]
        if weights_hash(classifier) != entry["weights"]:
            raise ValueError("the weights are not those that were written")
    except FileNotFoundError as error:
        raise RunError(f"{path}: no such file") from error
    except (OSError, safetensors.SafetensorError, RecipeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise RunError(f"{path}: is no classifier that cganzoo wrote, or is damaged; delete it ({error})") from error
    return classifier.eval().requires_grad_(False).to(device)
