"""The one pass over samples that feeds every metric, and the rows of real images to read the scores by."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cganzoo.config import Config
from cganzoo.data.batches import to_pixels, to_unit
from cganzoo.data.cache import ImageSet
from cganzoo.data.pixels import RESIZE
from cganzoo.errors import CganzooError, DataError, DivergenceError, PluginError
from cganzoo.extractor import Extractor
from cganzoo.metric import Evaluated, Metric
from cganzoo.networks import Generator
from cganzoo.specs import BuildContext, MetricSpec

from .reference import Progress, Seen, full_precision, see
from .rows import RowStore

Scores = dict[str, float | None]
"""Metric outputs by name; ``None`` where one is not defined or not finite. Valid JSON."""

Stage = Callable[[str], AbstractContextManager[Progress]]
"""Announces a piece of work by name, and gives what to tell its progress to."""

Choice = tuple[MetricSpec[Any], Config]
"""A metric with its options."""


@dataclass(frozen=True)
class Evaluation:
    """Scores, and what they can be compared with.

    Attributes:
        scores: of the samples, against the training images.
        real_test: the same metrics with the test images in the place of samples. ``None`` where there are too few
            images for a metric, and for one that is itself measured against the test images.
        real_halves: likewise with a random half of the training images, against the other half: the floor of a
            distance, the ceiling of an accuracy.
        protocol: all that decides what a score means; ``protocol["fingerprint"]`` is a hash of the rest. JSON values.
        pictures: (C, H, W) in [-1, 1], by name.
        per_class: of the samples, for the outputs that have one number a class, in the order of the classes.
    """

    scores: Scores
    real_test: Scores
    real_halves: Scores
    protocol: dict[str, Any]
    pictures: Mapping[str, Tensor] = field(default_factory=dict)
    per_class: Mapping[str, list[float | None]] = field(default_factory=dict)


@contextmanager
def silent(what: str) -> Iterator[Progress]:
    """A :data:`Stage` that shows nothing."""
    yield lambda done, total: None


class Evaluator:
    """Scores samples against one set of real images; made once a run, used as often as the run evaluates.

    What the extractor sees in the real images, and the rows of real scores, are computed at the first evaluation and
    kept in ``cache`` for every later run. Samples are rounded to 8 bits first, as the real images are and as sample
    files would be. Torch's global generators are left alone (a metric must do so too).

    Args:
        splits: the real images; ``"train"`` is the reference, ``"test"`` may be missing.
        extractor: what all metrics look through; it is moved to ``device``.
        metrics: specs and their options.
        context: of the run's data; the extractor's feature size is filled in here.
        device: where the extractor and the metrics work.
        batch_size: real images at a time.
        seed: of the two halves.
        cache: folder for features and rows of real scores; ``None``: they are kept in memory.
        versions: of the metrics, by name: a new version's row of real scores is computed anew.
        stage: shows progress.
    """

    def __init__(
        self,
        *,
        splits: Mapping[str, ImageSet],
        extractor: Extractor,
        metrics: Sequence[Choice],
        context: BuildContext,
        device: torch.device,
        batch_size: int,
        seed: int = 0,
        cache: Path | None = None,
        versions: Mapping[str, str] | None = None,
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
        self.versions, self.stage = versions or {}, stage
        self._features = None if cache is None else cache / "features"
        self._rows = RowStore(None if cache is None else cache / "real-scores")
        self._seen: dict[str, Seen] = {}

    def check(self) -> None:
        """Build every metric: mistakes in its options are to be found before hours of training, not after.

        Raises:
            CganzooError: a metric cannot be built, or what it is measured against is missing.
        """
        for spec, config in self.metrics:
            spec.build(config, self.context)
            if spec.reference not in self.splits:
                raise DataError(
                    f'metric "{spec.name}" is measured against {spec.reference} images, and the data set has none; '
                    "leave this metric out"
                )

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
            samples: batches of images (N, C, H, W) in [-1, 1] with the classes (N,) they were asked for, or ``None``.
            count: how many samples the batches hold together.
            sampling: how they were made, for the protocol: which weights, batch statistics, seed. JSON values.
            generator: what made them, for metrics that look at the generator itself.
            noise: a batch of noise (N, L) and labels (N,) for those.

        Raises:
            DivergenceError: a sample is not finite.
            CganzooError: a metric cannot score these samples.
            ValueError: the batches do not hold ``count`` samples.
        """
        built = self._built(self.metrics)
        self._feed_reference(built)
        if generator is not None and noise is not None:
            with torch.inference_mode(False), torch.enable_grad():
                z, labels = (part.clone() for part in noise)  # what inference mode made takes no gradient
                for _, metric in built:
                    metric.update_generator(generator, z, labels)
        with self.stage("scoring") as progress:
            _feed(built, self._sampled(samples), count, progress)
        scores: Scores = {}
        pictures: dict[str, Tensor] = {}
        per_class: dict[str, list[float | None]] = {}
        for spec, metric in built:
            scores.update(_outputs(spec, metric))
            per_class.update(_per_class(spec, metric, self.context.num_classes))
            pictures.update(metric.pictures(self._see(spec.reference).recall))
        test, halves = self._real("test"), self._real("halves")
        return Evaluation(scores, test, halves, self._protocol(count, sampling), pictures, per_class)

    # --- what is fed ------------------------------------------------------------------------------------------------

    def _see(self, split: str) -> Seen:
        if split not in self._seen:
            with self.stage(f"looking at the {split} images") as progress:
                self._seen[split] = see(
                    self.extractor,
                    self.splits[split],
                    device=self.device,
                    batch_size=self.batch_size,
                    folder=self._features,
                    progress=progress,
                )
        return self._seen[split]

    def _built(self, choices: Iterable[Choice]) -> list[tuple[MetricSpec[Any], Metric]]:
        return [(spec, spec.build(config, self.context)) for spec, config in choices]

    def _feed_reference(
        self, built: Sequence[tuple[MetricSpec[Any], Metric]], training: np.ndarray | None = None
    ) -> None:
        """Give each metric its reference: all images of its split, or of the training images those at ``training``."""
        for split in {spec.reference for spec, _ in built}:
            metrics = [metric for spec, metric in built if spec.reference == split]
            for batch in self._images(split, training if split == "train" else None):
                for metric in metrics:
                    metric.update_reference(batch)

    def _images(self, split: str, indices: np.ndarray | None = None) -> Iterator[Evaluated]:
        return self._see(split).batches(self.batch_size, self.metric_device, indices)

    def _sampled(self, batches: Iterable[tuple[Tensor, Tensor | None]]) -> Iterator[Evaluated]:
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

    # --- real images in the place of samples ------------------------------------------------------------------------

    def _real(self, row: str) -> Scores:
        """The row ``"test"`` or ``"halves"``, from the cache as far as it is there."""
        keys = {spec.name: self._row_key(row, spec, config) for spec, config in self.metrics}
        wanted = [choice for choice in self.metrics if self._rows.get(keys[choice[0].name]) is None]
        # Test images measured against themselves would say nothing.
        defined = [c for c in wanted if row == "halves" or ("test" in self.splits and c[0].reference == "train")]
        for spec, config in wanted:
            if (spec, config) not in defined:
                self._rows.put(keys[spec.name], dict.fromkeys(output.name for output in spec.outputs))
        if defined:
            built = self._built(defined)
            split, (samples, reference) = ("train", self._halves()) if row == "halves" else ("test", (None, None))
            self._feed_reference(built, reference)
            count = len(self.splits[split].labels) if samples is None else len(samples)
            with self.stage(f"scoring real images ({row})") as progress:
                _feed(built, self._images(split, samples), count, progress)
            for spec, metric in built:
                self._rows.put(keys[spec.name], _outputs(spec, metric, lenient=True))
        scores: Scores = {}
        for key in keys.values():
            scores.update(self._rows.get(key) or {})
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
        }

    def _halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices of two random halves of equal size, sorted; of an odd number of images one is left out."""
        order = np.random.default_rng(self.seed).permutation(len(self.splits["train"].labels))
        half = len(order) // 2
        return np.sort(order[:half]), np.sort(order[half : 2 * half])

    def _protocol(self, count: int, sampling: Mapping[str, Any]) -> dict[str, Any]:
        samples, reference = self._halves()
        protocol: dict[str, Any] = {
            "extractor": dict(self.extractor.protocol()),
            "reference": _identity(self.splits["train"]),
            "real_test": _identity(self.splits["test"]) if "test" in self.splits else None,
            "real_halves": {"samples": len(samples), "reference": len(reference), "seed": self.seed},
            "samples": {"count": count, **sampling},
            "images": {
                "size": self.context.image_size,
                "channels": self.context.image_channels,
                "bits": 8,
                "resize": RESIZE,
            },
            "metrics": {spec.name: config.model_dump(mode="json") for spec, config in self.metrics},
        }
        return {"fingerprint": fingerprint(protocol), **protocol}


def fingerprint(protocol: Mapping[str, Any]) -> str:
    """16 hexadecimal digits of the SHA-256 of a protocol's canonical JSON."""
    canonical = json.dumps(protocol, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _identity(data: ImageSet) -> dict[str, Any]:
    return {"split": data.split, "count": len(data.labels), "fingerprint": data.fingerprint}


def _feed(
    built: Sequence[tuple[MetricSpec[Any], Metric]], batches: Iterable[Evaluated], count: int, progress: Progress
) -> None:
    done = 0
    for batch in batches:
        for _, metric in built:
            metric.update(batch)
        done += len(batch.features)
        progress(done, count)
    if done != count:
        raise ValueError(f"{count} samples were announced, {done} came")


def _outputs(spec: MetricSpec[Any], metric: Metric, *, lenient: bool = False) -> Scores:
    """What a metric reports; if ``lenient``, nothing but ``None`` where it refuses these images."""
    declared = [output.name for output in spec.outputs]
    try:
        result = metric.compute()
    except CganzooError:
        if not lenient:
            raise
        return dict.fromkeys(declared)
    if set(result) != set(declared):
        raise PluginError(
            f'metric "{spec.name}" reports {sorted(result)}, but its spec declares {sorted(declared)}; '
            "report this to the plugin's author"
        )
    return {name: _finite(result[name]) for name in declared}


def _per_class(spec: MetricSpec[Any], metric: Metric, num_classes: int) -> dict[str, list[float | None]]:
    """What a metric reports of each class."""
    declared = {output.name for output in spec.outputs}
    found = {name: [_finite(value) for value in values] for name, values in metric.per_class().items()}
    for name, values in found.items():
        if name not in declared or len(values) != num_classes:
            raise PluginError(
                f'metric "{spec.name}" reports {len(values)} numbers of "{name}" for {num_classes} classes, and its '
                f"spec declares {sorted(declared)}; report this to the plugin's author"
            )
    return found


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
