"""Classification Accuracy Score: can a classifier learn the real classes from samples alone? (arXiv:1905.10887)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.classification import ImageClassifier, Shape, fit
from cganzoo.errors import CganzooError
from cganzoo.metric import Evaluated, Metric

from .config import CASConfig
from .kept_images import LabelledTensors, to_pixels, to_unit

CHUNK = 250  # test images in a batch
WHERE = "metrics.cas.classifier"


class CAS(Metric):
    """Accuracy, on the real test images, of a classifier that is trained on samples and their requested classes.

    Ravuri and Vinyals, arXiv:1905.10887; 0 to 1, higher is better. Samples unlike their class and a lack of variety
    both lower it. ``cas_top5`` counts a test image as correct if its class is among the five most likely; only for ten
    classes or more. ``None`` for an unconditional generator. The option ``classifier`` decides the classifier and its
    training, independently of the evaluation's extractor. The same samples (in any order), seed, machine and build
    give the same score.

    Compare it with the accuracy of the same classifier trained on as many real images.

    Memory: every sample and every test image, as uint8.

    Not shown: which of the two lowers a score. It grows with ``evaluation.samples`` and with the length of the
    training, so compare equal values of these. Copies of the training images score as well as the training images.
    """

    def __init__(self, config: CASConfig, context: BuildContext) -> None:
        self.config, self.num_classes = config.classifier, context.num_classes
        # Raises an error before the training of the generator if there is no such classifier.
        ImageClassifier(self.config, Shape(context.image_channels, context.image_size, self.num_classes), WHERE)
        self._real, self._samples = LabelledTensors(), LabelledTensors()
        self._defined = True
        self._device = torch.device("cpu")

    def update_reference(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`. The images are those of the test split."""
        assert batch.labels is not None  # real images have them
        self._real.add(to_pixels(batch.images).cpu(), batch.labels.cpu())

    def update(self, batch: Evaluated) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._device = batch.features.device
        if batch.labels is None:
            self._defined = False
        else:
            self._samples.add(to_pixels(batch.images).cpu(), batch.labels.cpu())

    def merge(self, other: CAS) -> None:
        """See :class:`~cganzoo.metric.Metric`."""
        self._real.merge(other._real)
        self._samples.merge(other._samples)
        self._defined &= other._defined

    def compute(self) -> Mapping[str, float | None]:
        """See :class:`~cganzoo.metric.Metric`."""
        if not self._defined:
            return {"cas": None, "cas_top5": None}
        if not self._real.parts or not self._samples.parts:
            raise CganzooError("cas needs samples to train on and test images; raise evaluation.samples")
        images, labels = _in_one_order(*self._samples.together())
        with torch.inference_mode(False), torch.enable_grad():
            classifier = fit(images, labels, self.num_classes, self.config, self._device, where=WHERE)
        ranks = self._ranks(classifier)
        top5 = float((ranks < 5).double().mean()) if self.num_classes >= 10 else None
        return {"cas": float((ranks < 1).double().mean()), "cas_top5": top5}

    @torch.inference_mode()
    def _ranks(self, classifier: ImageClassifier) -> Tensor:
        """How many classes are more likely than the correct one, for each test image: (N,)."""
        ranks = []
        for images, labels in zip(*(torch.split(part, CHUNK) for part in self._real.together()), strict=True):
            logits = classifier(to_unit(images.to(self._device)))
            correct = logits.gather(1, labels.to(self._device)[:, None])
            # An equally likely class counts as more likely, so that a constant prediction is not correct.
            ranks.append((logits >= correct).sum(1) - 1)
        return torch.cat(ranks)


def _in_one_order(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Images (N, C, S, S) and labels (N,) sorted by a hash of the pixels, because training depends on the order."""
    hashes = [hashlib.sha256(image.tobytes()).digest() for image in images.numpy()]
    order = sorted(range(len(hashes)), key=lambda index: (hashes[index], int(labels[index])))
    return images[order], labels[order]
