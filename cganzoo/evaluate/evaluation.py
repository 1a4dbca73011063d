"""The one pass over samples that feeds every metric, and the same scores between two halves of the real images."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cganzoo.config import Config
from cganzoo.data.batches import to_pixels, to_unit
from cganzoo.data.cache import ImageSet
from cganzoo.data.pixels import RESIZE
from cganzoo.errors import CganzooError, DivergenceError, PluginError
from cganzoo.metric import Evaluated, Metric
from cganzoo.specs import BuildContext, MetricSpec

from .extractor import Extractor

Progress = Callable[[int, int], None]
"""Called with (done, total): images that the extractor has seen."""

Scores = dict[str, float | None]
"""Metric outputs by name; ``None`` where one is not defined or not finite. Valid JSON."""


@dataclass(frozen=True)
class Evaluation:
    """Scores, and what they can be compared with.

    Attributes:
        scores: of the samples, against all real images.
        real: the same metrics with a random half of the real images as the samples, against the other half: the
            floor of a distance, the ceiling of an accuracy. ``None`` also where a half is too small for a metric.
        protocol: all that decides what a score means; ``protocol["fingerprint"]`` is a hash of the rest. JSON values.
    """

    scores: Scores
    real: Scores
    protocol: dict[str, Any]


class Evaluator:
    """Scores samples against one set of real images; made once a run, used as often as the run evaluates.

    The extractor sees the real images at the first evaluation; their features and logits (in memory, float32) and the
    real column serve all later ones. Samples are rounded to 8 bits first, as the real images are and as sample files
    would be. Torch's global generators are left alone (a metric must do so too).

    Args:
        reference: the real images.
        extractor: what all metrics look through; it is moved to ``device``.
        metrics: specs and their options.
        context: of the run's data; the extractor's feature size is filled in here.
        device: where the extractor and the metrics work.
        batch_size: real images at a time.
        seed: of the two halves.
    """

    def __init__(
        self,
        *,
        reference: ImageSet,
        extractor: Extractor,
        metrics: Sequence[tuple[MetricSpec[Any], Config]],
        context: BuildContext,
        device: torch.device,
        batch_size: int,
        seed: int = 0,
    ) -> None:
        self.reference, self.metrics, self.batch_size, self.seed = reference, metrics, batch_size, seed
        self.extractor = extractor.to(device).eval()
        self.context = dataclasses.replace(context, feature_dim=extractor.feature_dim)
        self.device = device
        # Metrics work in float64, which Apple's GPUs do not have.
        self.metric_device = torch.device("cpu") if device.type == "mps" else device
        self._seen: tuple[Tensor, Tensor] | None = None
        self._real: Scores | None = None

    @torch.inference_mode()
    def evaluate(
        self,
        sample_batches: Iterable[tuple[Tensor, Tensor | None]],
        count: int,
        *,
        sampling: Mapping[str, Any],
        progress: Progress | None = None,
    ) -> Evaluation:
        """Score samples.

        Args:
            sample_batches: images (N, C, H, W) in [-1, 1] and the classes (N,) they were asked for, or ``None``.
            count: how many samples the batches hold together.
            sampling: how they were made, for the protocol: which weights, batch statistics, seed. JSON values.
            progress: told how many images the extractor has seen, of how many.

        Raises:
            DivergenceError: a sample is not finite.
            CganzooError: a metric cannot score these samples.
            ValueError: the batches do not hold ``count`` samples.
        """
        total = count + (len(self.reference.labels) if self._seen is None else 0)
        done = 0

        def saw(images: int) -> None:
            nonlocal done
            done += images
            if progress:
                progress(done, total)

        if self._seen is None:
            self._seen = self._see_reference(saw)
        scores = self._score(self._real_batches(), self._sample_batches(sample_batches, saw))
        if done != total:
            raise ValueError(f"{count} samples were announced, {count + done - total} came")
        return Evaluation(scores, dict(self._real_scores()), self._protocol(count, sampling))

    def _see_reference(self, saw: Callable[[int], None]) -> tuple[Tensor, Tensor]:
        features, logits = [], []
        for start in range(0, len(self.reference.labels), self.batch_size):
            images = self._real_images(np.arange(start, min(start + self.batch_size, len(self.reference.labels))))
            seen = self.extractor(images.to(self.device))
            features.append(seen[0].float().cpu())
            logits.append(seen[1].float().cpu())
            saw(len(images))
        return torch.cat(features), torch.cat(logits)

    def _real_images(self, indices: np.ndarray) -> Tensor:
        return to_unit(torch.from_numpy(self.reference.images[indices]))

    def _real_batches(self, indices: np.ndarray | None = None) -> Iterator[Evaluated]:
        """The real images, or those at ``indices``, with what the extractor saw."""
        assert self._seen is not None
        features, logits = self._seen
        order = np.arange(len(self.reference.labels)) if indices is None else indices
        for start in range(0, len(order), self.batch_size):
            part = order[start : start + self.batch_size]
            labels = torch.from_numpy(self.reference.labels[part])
            parts = (self._real_images(part), labels, features[part], logits[part])
            yield Evaluated(*(tensor.to(self.metric_device) for tensor in parts))

    def _sample_batches(
        self, batches: Iterable[tuple[Tensor, Tensor | None]], saw: Callable[[int], None]
    ) -> Iterator[Evaluated]:
        for images, labels in batches:
            if not images.isfinite().all():
                raise DivergenceError("the generator makes images that are not finite, so they cannot be scored")
            images = to_unit(to_pixels(images.to(self.device)))
            features, logits = self.extractor(images)
            saw(len(images))
            yield Evaluated(
                images.to(self.metric_device),
                None if labels is None else labels.to(self.metric_device),
                features.float().to(self.metric_device),
                logits.float().to(self.metric_device),
            )

    def _score(self, real: Iterable[Evaluated], samples: Iterable[Evaluated], *, lenient: bool = False) -> Scores:
        built = [(spec, spec.build(config, self.context)) for spec, config in self.metrics]
        for batch in real:
            for _, metric in built:
                metric.update_reference(batch)
        for batch in samples:
            for _, metric in built:
                metric.update(batch)
        scores: Scores = {}
        for spec, metric in built:
            try:
                scores.update(_outputs(spec, metric))
            except CganzooError:
                if not lenient:
                    raise
                scores.update({output.name: None for output in spec.outputs})
        return scores

    def _real_scores(self) -> Scores:
        if self._real is None:
            samples, reference = self._halves()
            self._real = self._score(self._real_batches(reference), self._real_batches(samples), lenient=True)
        return self._real

    def _halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices of two random halves of equal size; of an odd number of images one is left out."""
        order = np.random.default_rng(self.seed).permutation(len(self.reference.labels))
        half = len(order) // 2
        return order[:half], order[half : 2 * half]

    def _protocol(self, count: int, sampling: Mapping[str, Any]) -> dict[str, Any]:
        samples, reference = self._halves()
        protocol: dict[str, Any] = {
            "extractor": dict(self.extractor.protocol()),
            "reference": {
                "split": self.reference.split,
                "count": len(self.reference.labels),
                "fingerprint": self.reference.fingerprint,
            },
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


def _outputs(spec: MetricSpec[Any], metric: Metric) -> Scores:
    result = metric.compute()
    declared = {output.name for output in spec.outputs}
    if set(result) != declared:
        raise PluginError(
            f'metric "{spec.name}" reports {sorted(result)}, but its spec declares {sorted(declared)}; '
            "report this to the plugin's author"
        )
    return {
        output.name: float(value) if (value := result[output.name]) is not None and math.isfinite(value) else None
        for output in spec.outputs
    }
