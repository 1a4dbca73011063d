"""An evaluation of random images by metrics that are easy to check; helps several test files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cganzoo import BuildContext, Config, MetricOutput, MetricSpec
from cganzoo.data.batches import to_unit
from cganzoo.data.cache import ImageSet
from cganzoo.evaluate.evaluation import Evaluation, Evaluator
from cganzoo.extractor import Extractor
from cganzoo.metric import Evaluated, Metric

CPU = torch.device("cpu")
REAL, TEST, COUNT, SIZE, CLASSES, DIM = 31, 13, 20, 8, 3, 4
SAMPLING = {"weights": "ema", "batch_statistics": "standing", "seed": 0}


class Linear(Extractor):
    """Features and logits are linear in the pixels; counts its images."""

    feature_dim, num_classes = DIM, CLASSES

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.register_buffer("weight", torch.randn(SIZE * SIZE, DIM + CLASSES, generator=random))
        self.images = 0

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        assert not self.training
        assert torch.is_inference_mode_enabled()
        self.images += len(images)
        both = images.flatten(1) @ self.get_buffer("weight")
        return both[:, :DIM], both[:, DIM:]

    def protocol(self) -> Mapping[str, Any]:
        return {"kind": "linear", "weights": "abc"}


class NoOptions(Config):
    """No options."""


class Scale(Config):
    """One option."""

    scale: float = 1.0


class MeanDistance(Metric):
    """Distance of the feature means, and the number of images of each kind."""

    def __init__(self, config: Scale) -> None:
        self.scale = config.scale
        self.real: list[Evaluated] = []
        self.samples: list[Evaluated] = []

    def update_reference(self, batch: Evaluated) -> None:
        assert not self.samples, "real images come first"
        self.real.append(batch)

    def update(self, batch: Evaluated) -> None:
        self.samples.append(batch)

    def compute(self) -> dict[str, float | None]:
        real = torch.cat([batch.features for batch in self.real])
        samples = torch.cat([batch.features for batch in self.samples])
        return {
            "distance": self.scale * (real.mean(0) - samples.mean(0)).norm().item(),
            "real_count": float(len(real)),
            "sample_count": float(len(samples)),
        }


class HasLabels(Metric):
    """Whether samples have labels."""

    def update(self, batch: Evaluated) -> None:
        self.labels = batch.labels

    def compute(self) -> dict[str, float | None]:
        return {"has_labels": None if self.labels is None else 1.0}


def spec(name: str, build: Any, *outputs: str, config: type[Config] = NoOptions) -> MetricSpec[Any]:
    declared = tuple(MetricOutput(name=output, summary="a number") for output in outputs)
    return MetricSpec(name=name, summary="a test's metric", config=config, build=build, outputs=declared)


DISTANCE = spec(
    "mean_distance",
    lambda config, context: MeanDistance(config),
    "distance",
    "real_count",
    "sample_count",
    config=Scale,
)
HAS_LABELS = spec("has_labels", lambda config, context: HasLabels(), "has_labels")


def constant(**outputs: float | None) -> type[Metric]:
    class Constant(Metric):
        def update(self, batch: Evaluated) -> None:
            pass

        def compute(self) -> dict[str, float | None]:
            return outputs

    return Constant


def real_images() -> ImageSet:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (REAL, 1, SIZE, SIZE), dtype=np.uint8)
    return ImageSet(images, np.arange(REAL) % CLASSES, ("a", "b", "c"), "train", "real 0")


def test_images() -> ImageSet:
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (TEST, 1, SIZE, SIZE), dtype=np.uint8)
    return ImageSet(images, np.arange(TEST) % CLASSES, ("a", "b", "c"), "test", "test 0")


test_images.__test__ = False  # type: ignore[attr-defined]


def evaluator(
    *metrics: MetricSpec[Any], extractor: Extractor | None = None, options: Config | None = None, **changes: Any
) -> Evaluator:
    chosen = metrics or (DISTANCE,)
    arguments: dict[str, Any] = {
        "splits": {"train": real_images(), "test": test_images()},
        "extractor": extractor or Linear(),
        "metrics": [(metric, options or metric.config()) for metric in chosen],
        "context": BuildContext(num_classes=CLASSES, image_size=SIZE, image_channels=1),
        "device": CPU,
        "batch_size": 10,
    }
    return Evaluator(**{**arguments, **changes})


def samples(seed: int = 1, batch_size: int = 7, labelled: bool = True) -> Iterator[tuple[Tensor, Tensor | None]]:
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(COUNT, 1, SIZE, SIZE, generator=random) * 2 - 1
    labels = torch.arange(COUNT) % CLASSES
    for part in torch.split(torch.arange(COUNT), batch_size):
        yield images[part], labels[part] if labelled else None


def features_of(images: np.ndarray) -> Tensor:
    with torch.inference_mode():
        features, _ = Linear().eval().forward(to_unit(torch.from_numpy(images)))
    return features


def evaluate(*metrics: MetricSpec[Any], **changes: Any) -> Evaluation:
    return evaluator(*metrics, **changes).evaluate(samples(), COUNT, sampling=SAMPLING)
