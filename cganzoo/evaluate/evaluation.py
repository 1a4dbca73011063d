"""The one pass over samples that feeds every metric, and the same scores of real images to compare with."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cganzoo.config import Config
from cganzoo.console.reporter import Progress, Stage
from cganzoo.data.batches import to_pixels, to_unit
from cganzoo.data.cache import ImageSet
from cganzoo.data.pixels import RESIZE
from cganzoo.errors import DataError, DivergenceError, RunError
from cganzoo.extractor import Extractor
from cganzoo.metric import Evaluated
from cganzoo.networks import Generator
from cganzoo.specs import BuildContext, MetricSpec

from .guarded import Guarded, MetricOptions, Scores
from .protocol import with_fingerprints
from .reference import ImageFeatures, ScoreCache, compute_features, full_precision


@dataclass(frozen=True)
class Evaluation:
    """Scores, and what they can be compared with.

    Attributes:
        scores: of the samples, against the training images.
        real_test: the same metrics with the test images instead of samples. ``None`` if there are too few images for a
            metric, and for a metric that itself measures against the test images.
        real_halves: likewise with a random half of the training images, against the other half: the lowest distance
            or the highest accuracy to expect.
        protocol: everything that decides what a score means, as JSON values, with
            :func:`fingerprints <cganzoo.evaluate.protocol.with_fingerprints>` of each metric and of all of it.
        pictures: (C, H, W) in [-1, 1], by name.
        per_class: of the samples, for the outputs that have one number for each class, in the order of the classes.
        failures: why a metric has no scores, or not all, by the name of the metric. Of the samples.
        real_failures: likewise of the real images, by the name of the metric.
    """

    scores: Scores
    real_test: Scores
    real_halves: Scores
    protocol: dict[str, Any]
    pictures: Mapping[str, Tensor] = field(default_factory=dict)
    per_class: Mapping[str, list[float | None]] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    real_failures: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def silent(what: str) -> Iterator[Progress]:
    """A :data:`~cganzoo.console.reporter.Stage` that shows no progress."""
    yield lambda done, total: None


class Evaluator:
    """Scores samples against one set of real images. Made once for a run, used for each of its evaluations.

    The features and the scores of the real images are computed at the first evaluation and kept in ``cache`` for later
    runs. Samples are first rounded to 8 bits, like the real images and like image files. Torch's global random
    generators are not changed (metrics must not change them either).

    Args:
        splits: the real images; ``"train"`` is the reference, ``"test"`` is optional.
        context: of the run's data; the extractor's feature size is filled in here.
        batch_size: real images at a time.
        seed: of the two halves.
        cache: folder for features and scores of real images; ``None``: they are kept in memory.
        versions: of the metrics, by name. A new version computes its scores of real images again.
        extractor_version: of the code of an extractor that is not the host's; likewise.
    """

    def __init__(
        self,
        *,
        splits: Mapping[str, ImageSet],
        extractor: Extractor,
        metrics: Sequence[MetricOptions],
        context: BuildContext,
        device: torch.device,
        batch_size: int,
        seed: int = 0,
        cache: Path | None = None,
        versions: Mapping[str, str] | None = None,
        extractor_version: str = "",
        stage: Stage = silent,
    ) -> None:
        self.splits, self.metrics, self.batch_size, self.seed = splits, metrics, batch_size, seed
        self.extractor = extractor.to(device).eval()
        self.context = dataclasses.replace(
            context, feature_dim=extractor.feature_dim, own_classes=extractor.own_classes
        )
        self.device = device
        # Metrics work in float64, which Apple's GPUs do not have.
        self.metric_device = torch.device("cpu") if device.type == "mps" else device
        self.versions, self.extractor_version, self.stage = versions or {}, extractor_version, stage
        self._feature_folder = None if cache is None else cache / "features"
        self._real_scores = ScoreCache(None if cache is None else cache / "real-scores")
        self._features: dict[str, ImageFeatures] = {}
        self._real_failures: dict[str, str] = {}

    def check(self) -> None:
        """Build every metric, so that a mistake in its options is found before hours of training, not after."""
        check_splits((spec for spec, _ in self.metrics), self.splits)
        for metric in self._build(self.metrics):
            if metric.failure:
                raise RunError(f'metric "{metric.spec.name}" cannot be built: {metric.failure}')

    @torch.inference_mode()
    def evaluate(
        self,
        samples: Iterable[tuple[Tensor, Tensor | None]],
        count: int,
        *,
        sampling: Mapping[str, Any],
        generator: Generator | None = None,
        noise: tuple[Tensor, Tensor] | None = None,
    ) -> Evaluation:
        """Score samples.

        Args:
            samples: batches of images (N, C, H, W) in [-1, 1] with their requested classes (N,), or ``None``.
            count: number of samples in all batches.
            sampling: how they were made, for the protocol: weights, batch statistics, seed. JSON values.
            generator: the generator that made the samples, for metrics that measure it directly.
            noise: a batch of noise (N, L) and labels (N,) for the metrics that measure the generator.
        """
        built = self._build(self.metrics)
        self._feed_reference(built)
        if generator is not None and noise is not None:
            with torch.inference_mode(False), torch.enable_grad():
                for metric in built:
                    z, labels = (part.clone() for part in noise)  # tensors of inference mode have no gradient
                    metric.feed("update_generator", generator, z, labels)
        with self.stage("scoring") as progress:
            _feed(built, self._sample_batches(samples), count, progress)
        scores: Scores = {}
        pictures: dict[str, Tensor] = {}
        per_class: dict[str, list[float | None]] = {}
        for metric in built:
            scores.update(metric.scores())
            per_class.update(metric.per_class(self.context.num_classes))
            pictures.update(metric.pictures(self._features_of(metric.spec.reference).recall))
        return Evaluation(
            scores,
            real_test=self._real("test"),
            real_halves=self._real("halves"),
            protocol=self._protocol(count, sampling),
            pictures=pictures,
            per_class=per_class,
            failures=_failures(built),
            real_failures=dict(self._real_failures),
        )

    # --- batches ----------------------------------------------------------------------------------------------------

    def _features_of(self, split: str) -> ImageFeatures:
        if split not in self._features:
            with self.stage(f"computing features of the {split} images") as progress:
                self._features[split] = compute_features(
                    self.extractor,
                    self.splits[split],
                    device=self.device,
                    batch_size=self.batch_size,
                    folder=self._feature_folder,
                    progress=progress,
                    version=self.extractor_version,
                )
        return self._features[split]

    def _build(self, metrics: Iterable[MetricOptions]) -> list[Guarded]:
        return [Guarded(spec, config, self.context) for spec, config in metrics]

    def _feed_reference(self, built: list[Guarded], training: np.ndarray | None = None) -> None:
        """Feed each metric all images of its split; of the training images only those at ``training``, if given."""
        for split in {metric.spec.reference for metric in built}:
            metrics = [metric for metric in built if metric.spec.reference == split]
            for batch in self._real_batches(split, training if split == "train" else None):
                for metric in metrics:
                    metric.feed("update_reference", batch)

    def _real_batches(self, split: str, indices: np.ndarray | None = None) -> Iterator[Evaluated]:
        return self._features_of(split).batches(self.batch_size, self.metric_device, indices)

    def _sample_batches(self, batches: Iterable[tuple[Tensor, Tensor | None]]) -> Iterator[Evaluated]:
        for images, labels in batches:
            if not images.isfinite().all():
                raise DivergenceError("the generator makes images that are not finite, so they cannot be scored")
            images = to_unit(to_pixels(images.to(self.device)))
            with full_precision():
                features, logits = self.extractor(images)
            yield Evaluated(
                images.to(self.metric_device),
                None if labels is None else labels.to(self.metric_device),
                features.float().to(self.metric_device),
                logits.float().to(self.metric_device),
            )

    # --- real images instead of samples -----------------------------------------------------------------------------

    def _real(self, row: str) -> Scores:
        """Scores of the row ``"test"`` or ``"halves"``; those that are not in the cache are computed.

        A metric that refuses the images, such as too few, has no score there. A metric that fails has none either, is
        reported, and is not tried again by this evaluator.
        """
        keys = {spec.name: self._row_key(row, spec, config) for spec, config in self.metrics}
        missing = []
        for spec, config in self.metrics:
            if self._real_scores.get(keys[spec.name]) is not None or spec.name in self._real_failures:
                continue
            if row == "test" and ("test" not in self.splits or spec.reference == "test"):  # nothing to compare
                self._real_scores.put(keys[spec.name], _undefined(spec))
            else:
                missing.append((spec, config))
        if missing:
            built = self._build(missing)
            split, (samples, reference) = ("train", self._halves()) if row == "halves" else ("test", (None, None))
            self._feed_reference(built, reference)
            count = len(self.splits[split].labels) if samples is None else len(samples)
            with self.stage(f"scoring real images ({row})") as progress:
                _feed(built, self._real_batches(split, samples), count, progress)
            for metric in built:
                scores = metric.scores()
                if metric.failure is None or metric.refused:
                    self._real_scores.put(keys[metric.spec.name], scores)
                else:
                    self._real_failures[metric.spec.name] = metric.failure
        scores = {}
        for spec, _ in self.metrics:
            scores.update(self._real_scores.get(keys[spec.name]) or _undefined(spec))
        return scores

    def _row_key(self, row: str, spec: MetricSpec[Any], config: Config) -> dict[str, Any]:
        return {
            "row": row,
            "seed": self.seed,
            "images": {name: data.fingerprint for name, data in self.splits.items()},
            "extractor": dict(self.extractor.protocol()),
            "device": self.device.type,
            "metric": spec.name,
            "options": config.model_dump(mode="json"),
            "version": self.versions.get(spec.name),
            "outputs": [output.name for output in spec.outputs],
            **({"extractor_version": self.extractor_version} if self.extractor_version else {}),
        }

    def _halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Sorted indices of two random halves of equal size. If the number of images is odd, one image is left out."""
        order = np.random.default_rng(self.seed).permutation(len(self.splits["train"].labels))
        half = len(order) // 2
        return np.sort(order[:half]), np.sort(order[half : 2 * half])

    def _protocol(self, count: int, sampling: Mapping[str, Any]) -> dict[str, Any]:
        half = len(self.splits["train"].labels) // 2
        context = self.context
        return with_fingerprints(
            {
                "extractor": dict(self.extractor.protocol()),
                "reference": _identity(self.splits["train"]),
                "real_test": _identity(self.splits["test"]) if "test" in self.splits else None,
                "real_halves": {"samples": half, "reference": half, "seed": self.seed},
                "samples": {"count": count, **sampling},
                "images": {"size": context.image_size, "channels": context.image_channels, "bits": 8, "resize": RESIZE},
                "metrics": {spec.name: config.model_dump(mode="json") for spec, config in self.metrics},
            }
        )


def _identity(data: ImageSet) -> dict[str, Any]:
    return {"split": data.split, "count": len(data.labels), "fingerprint": data.fingerprint}


def check_splits(metrics: Iterable[MetricSpec[Any]], splits: Mapping[str, ImageSet]) -> None:
    """Raise an error if a metric is measured against a split that the data set does not have."""
    for spec in metrics:
        if spec.reference not in splits:
            raise DataError(
                f'metric "{spec.name}" is measured against {spec.reference} images, and the data set has none; '
                "leave this metric out"
            )


def _feed(built: list[Guarded], batches: Iterable[Evaluated], count: int, progress: Progress) -> None:
    done = 0
    for batch in batches:
        for metric in built:
            metric.feed("update", batch)
        done += len(batch.features)
        progress(done, count)
    if done != count:
        raise ValueError(f"{count} samples were announced, {done} came")


def _failures(built: Iterable[Guarded]) -> dict[str, str]:
    return {metric.spec.name: metric.failure for metric in built if metric.failure}


def _undefined(spec: MetricSpec[Any]) -> Scores:
    return dict.fromkeys(output.name for output in spec.outputs)
