"""Training the ``classifier`` extractor on a set, once: the file in the cache serves every later run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor
from torch.nn import functional as F

from cganzoo.data.batches import Batches, to_unit
from cganzoo.data.cache import ImageSet
from cganzoo.errors import DivergenceError, RunError

from .classifier import Classifier, Shape, load, save
from .config import ClassifierConfig
from .seeding import seeded

Progress = Callable[[int, int], None]
"""Called with (done, total)."""

CHUNK = 1000  # images looked at together outside training


def load_or_train(
    train_set: ImageSet,
    held_out: ImageSet,
    config: ClassifierConfig,
    folder: Path,
    device: torch.device,
    progress: Progress | None = None,
) -> Classifier:
    """The classifier of a set, from ``folder`` where an intact one of the same data and options lies, else trained.

    Processes that want the same one at once train it once.

    Args:
        train_set: what it learns.
        held_out: what its accuracy is measured on; images that it does not learn.
        config: the options.
        folder: where classifiers are kept.
        device: where to train; the classifier is returned there.
        progress: called after each step of the training, if there is any.

    Raises:
        RecipeError: the options fit no network for these images.
        DivergenceError: the training did not stay finite.
    """
    shape = _shape(train_set)
    parts = [config.model_dump(), asdict(shape), train_set.fingerprint, held_out.fingerprint]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / f"{config.model}-{key}.safetensors"
    with suppress(RunError):  # not there, or damaged
        return load(path, device)  # without the lock, which a cache that may only be read does not allow
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            try:
                return load(path, device)  # another process may have trained it meanwhile
            except RunError:
                classifier = train(train_set, held_out, config, device, progress)
                save(classifier, path)
                return classifier
    except OSError as error:
        raise RunError(f"{folder}: the cache cannot be written ({error.strerror}); set CGANZOO_CACHE") from error


def train(
    train_set: ImageSet,
    held_out: ImageSet,
    config: ClassifierConfig,
    device: torch.device,
    progress: Progress | None = None,
) -> Classifier:
    """A classifier trained from scratch. The same set, options, machine and build give the same weights."""
    classifier = Classifier(config, _shape(train_set)).to(device)
    mean, std = _moments(train_set.images)
    classifier.mean.copy_(mean)
    classifier.std.copy_(std)
    optimizer = torch.optim.SGD(
        classifier.parameters(),
        config.learning_rate,
        momentum=0.9,  # in name only: the one-cycle schedule moves it between 0.85 and 0.95
        nesterov=True,
        weight_decay=config.weight_decay,
    )
    steps = max(2, config.epochs * len(train_set.labels) // config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=steps)
    batches = Batches(train_set, config.batch_size, config.seed, device)
    random = torch.Generator().manual_seed(config.seed)
    padding = train_set.images.shape[-1] // 8 if config.crop_padding is None else config.crop_padding
    classifier.train()
    with seeded(config.seed, device):  # for networks with dropout
        for step in range(steps):
            images, labels = batches.next()
            _, logits = classifier(augment(images, padding, config.flip, random))
            optimizer.zero_grad()
            F.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            if progress:
                progress(step + 1, steps)
    classifier.eval().requires_grad_(False)
    if not all(tensor.isfinite().all() for tensor in classifier.state_dict().values()):
        raise DivergenceError(
            "the classifier's training did not stay finite; "
            f"lower evaluation.extractor.learning_rate (it is {config.learning_rate:g})"
        )
    classifier.accuracy, classifier.accuracy_count = _accuracy(classifier, held_out), len(held_out.labels)
    return classifier


def augment(images: Tensor, padding: int, flip: bool, random: torch.Generator) -> Tensor:
    """Shift each image (N, C, S, S) by up to ``padding`` pixels, black coming in, and mirror half of them if ``flip``.

    ``random`` is on the CPU, so that every device gets the same shifts.
    """
    count, _, size, _ = images.shape
    if padding:
        padded = F.pad(images, (padding,) * 4, value=-1.0)
        corners = torch.randint(2 * padding + 1, (2, count, 1), generator=random)
        rows, columns = (corners + torch.arange(size)).to(images.device)
        sample = torch.arange(count, device=images.device)[:, None, None]
        images = padded[sample, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    if flip:
        mirrored = (torch.rand(count, generator=random) < 0.5).to(images.device)
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    return images


def _shape(data: ImageSet) -> Shape:
    return Shape(image_channels=data.images.shape[1], image_size=data.images.shape[2], num_classes=data.num_classes)


def _moments(images: np.ndarray) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (C,) of each channel of uint8 images, as values in [-1, 1]."""
    counts = np.zeros((images.shape[1], 256))
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK]
        counts += [np.bincount(part[:, channel].ravel(), minlength=256) for channel in range(images.shape[1])]
    share = counts / counts.sum(1, keepdims=True)
    values = np.arange(256) / 127.5 - 1
    mean = share @ values
    variance = (share * (values - mean[:, None]) ** 2).sum(1)
    # A channel that is the same everywhere tells nothing: leave it at zero rather than divide by it.
    std = np.where(variance > 0, np.sqrt(variance), 1.0)
    return torch.from_numpy(mean), torch.from_numpy(std)


@torch.inference_mode()
def _accuracy(classifier: Classifier, data: ImageSet) -> float:
    correct = 0
    for start in range(0, len(data.labels), CHUNK):
        images = to_unit(torch.from_numpy(np.array(data.images[start : start + CHUNK])).to(classifier.mean.device))
        labels = torch.from_numpy(data.labels[start : start + CHUNK]).to(images.device)
        correct += int((classifier(images)[1].argmax(1) == labels).sum())
    return correct / len(data.labels)
