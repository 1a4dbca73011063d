"""The ``classifier`` extractor: an image classifier of the set's own classes, its accuracy, and its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from cganzoo._util.files import write_whole
from cganzoo.classification import ImageClassifier
from cganzoo.classification.networks import Shape
from cganzoo.config import ClassifierConfig
from cganzoo.errors import RecipeError, RunError
from cganzoo.extractor import Extractor, weights_hash

METADATA_KEY = "cganzoo_classifier"


class Classifier(Extractor):
    """A trained classifier; features are what its last linear layer sees.

    Args:
        trained: the classifier.
        accuracy: share of ``accuracy_count`` held-out images that it classifies correctly.
        accuracy_count: how many it was measured on.
    """

    own_classes = True

    def __init__(self, trained: ImageClassifier, accuracy: float, accuracy_count: int) -> None:
        super().__init__()
        self.trained = trained
        self.accuracy, self.accuracy_count = accuracy, accuracy_count
        self.feature_dim, self.num_classes = trained.feature_dim, trained.shape.num_classes
        self.eval().requires_grad_(False)

    @property
    def config(self) -> ClassifierConfig:
        """The options that it was trained with."""
        return self.trained.config

    @cached_property
    def _weights_hash(self) -> str:
        return weights_hash(self.trained)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Extractor`."""
        return self.trained.features_and_logits(images)

    def protocol(self) -> Mapping[str, Any]:
        """See :class:`Extractor`."""
        return {
            "kind": "classifier",
            "model": self.config.model,
            "width": self.config.width,
            "weights": self._weights_hash,
            "accuracy": self.accuracy,
            "accuracy_count": self.accuracy_count,
        }

    def description(self) -> str:
        """See :class:`Extractor`."""
        return f"classifier {self.config.model}: accuracy {self.accuracy:.4f} on {self.accuracy_count} test images"


def save(classifier: Classifier, path: Path) -> None:
    """Write the weights, how they were made and how good they are to one safetensors file, whole or not at all."""
    entry = {
        "config": classifier.config.model_dump(),
        "shape": asdict(classifier.trained.shape),
        "accuracy": classifier.accuracy,
        "accuracy_count": classifier.accuracy_count,
        "weights": weights_hash(classifier.trained),
    }
    weights = {name: tensor.cpu().contiguous() for name, tensor in classifier.trained.state_dict().items()}
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
        trained = ImageClassifier(ClassifierConfig(**entry["config"]), Shape(**entry["shape"]))
        trained.load_state_dict(weights)
        if weights_hash(trained) != entry["weights"]:
            raise ValueError("the weights are not those that were written")
        return Classifier(trained.to(device), entry["accuracy"], entry["accuracy_count"])
    except FileNotFoundError as error:
        raise RunError(f"{path}: no such file") from error
    except (OSError, safetensors.SafetensorError, RecipeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise RunError(f"{path}: is no classifier that cganzoo wrote, or is damaged; delete it ({error})") from error
