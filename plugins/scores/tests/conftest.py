"""Synthetic batches of images, and their scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cganzoo_scores
import pytest
import torch

from cganzoo import BuildContext
from cganzoo.metric import Evaluated, Metric

CLASSES, DIM, SIZE = 5, 6, 16
SPECS = {spec.name: spec for spec in cganzoo_scores.cganzoo_metrics()}
QUICK: dict[str, dict[str, Any]] = {"cas": {"classifier": {"width": 2, "steps": 2, "batch_size": 8}}}


@pytest.fixture(scope="session")
def build() -> Callable[..., Metric]:
    """``build("kid", subsets=3)``: a metric, for images of ``size`` pixels in ``classes`` classes."""

    def make(name: str, /, *, size: int = SIZE, channels: int = 3, classes: int = CLASSES, **options: Any) -> Metric:
        spec = SPECS[name]
        names = tuple(f"kind {index}" for index in range(classes))
        context = BuildContext(
            num_classes=classes, image_size=size, image_channels=channels, feature_dim=DIM, class_names=names
        )
        return spec.build(spec.config(**{**QUICK.get(name, {}), **options}), context)

    return make


@pytest.fixture(scope="session")
def evaluated() -> Callable[..., Evaluated]:
    """``evaluated(seed, count)``: a batch of random images, features and logits, classes in turn."""

    def make(
        seed: int, count: int, *, dim: int = DIM, shift: float = 0.0, size: int = SIZE, labelled: bool = True
    ) -> Evaluated:
        random = torch.Generator().manual_seed(seed)
        mix = torch.randn(dim, dim, generator=random)
        return Evaluated(
            torch.rand(count, 3, size, size, generator=random) * 2 - 1,
            torch.arange(count) % CLASSES if labelled else None,
            torch.randn(count, dim, generator=random) @ mix + shift,
            3 * torch.randn(count, CLASSES, generator=random),
        )

    return make


@pytest.fixture(scope="session")
def score(build: Callable[..., Metric]) -> Callable[..., dict[str, float | None]]:
    """``score("kid", real, samples)``: what a metric says of batches, or lists of batches."""

    def make(
        name: str, real: Evaluated | list[Evaluated], samples: Evaluated | list[Evaluated], /, **options: Any
    ) -> dict[str, float | None]:
        metric = build(name, **options)
        for batch in [real] if isinstance(real, Evaluated) else real:
            metric.update_reference(batch)
        for batch in [samples] if isinstance(samples, Evaluated) else samples:
            metric.update(batch)
        return dict(metric.compute())

    return make


@pytest.fixture(scope="session")
def take() -> Callable[..., Evaluated]:
    """``take(batch, indices)``: some of a batch's images; ``labels`` or ``features`` replaces what the batch has."""

    def make(batch: Evaluated, indices: Any = slice(None), **changes: Any) -> Evaluated:
        labels = None if batch.labels is None else batch.labels[indices]
        parts = {
            "images": batch.images[indices],
            "labels": labels,
            "features": batch.features[indices],
            "logits": batch.logits[indices],
        }
        return Evaluated(**{**parts, **changes})

    return make


@pytest.fixture(scope="session")
def of_features() -> Callable[..., Evaluated]:
    """``of_features(features, labels)``: a batch of which only the features matter."""

    def make(features: Any, labels: Any = None) -> Evaluated:
        features = torch.as_tensor(features, dtype=torch.float32)
        count = len(features)
        labels = torch.arange(count) % CLASSES if labels is None else torch.as_tensor(labels)
        return Evaluated(torch.zeros(count, 3, SIZE, SIZE), labels, features, torch.eye(CLASSES)[labels % CLASSES])

    return make
