"""Training a small image classifier, for the ``classifier`` extractor and for metric plugins.

from cganzoo import ClassifierConfig
from cganzoo.classification import accuracy, fit

classifier = fit(images, labels, num_classes, ClassifierConfig(steps=2000), device)
share = accuracy(classifier, test_images, test_labels)
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cganzoo._util.checked import load_torch
from cganzoo._util.files import write_whole
from cganzoo._util.memory import is_out_of_memory
from cganzoo.config import ClassifierConfig
from cganzoo.console.reporter import Progress
from cganzoo.data.batches import Batches, to_unit
from cganzoo.data.cache import ImageSet
from cganzoo.errors import DamageWarning, DivergenceError

from .networks import Shape, build, features_and_logits

__all__ = ["ImageClassifier", "Progress", "Shape", "accuracy", "fit"]

STATE_EVERY = 120.0  # seconds between two states of a training in its file
CHANNELS_LAST_FROM = 16
"""Smallest image size (pixels) for the channels-last memory format, which is then a fifth to a half faster."""

CHUNK = 250  # images in a batch outside training


class ImageClassifier(nn.Module):
    """A timm network, and the normalisation of its images.

    Args:
        config: the options; ``config.seed`` decides the weights. Torch's global generators are not changed.
        shape: of the images, and the number of classes.
        where: name of the table of these options in messages.

    Attributes:
        mean, std: (C,), of each channel of the training images in [-1, 1]. All images are normalised with these:
            statistics of other images would hide a shift of brightness or contrast.
        feature_dim: D.

    Raises:
        RecipeError: there is no such network, or it does not take such images.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ClassifierConfig, shape: Shape, where: str = "classifier") -> None:
        super().__init__()
        self.config, self.shape = config, shape
        with seeded(config.seed):
            self.network, self.feature_dim = build(config, shape, where)
        if shape.image_size >= CHANNELS_LAST_FROM:
            self.network.to(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.zeros(shape.image_channels))
        self.register_buffer("std", torch.ones(shape.image_channels))

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, S, S) in [-1, 1] to class logits (N, K)."""
        return self.features_and_logits(images)[1]

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, D), the input of the last linear layer, and logits (N, K)."""
        normalised = (images - self.mean[:, None, None]) / self.std[:, None, None]
        return features_and_logits(self.network, normalised)


def fit(
    images: np.ndarray | Tensor,
    labels: np.ndarray | Tensor,
    num_classes: int,
    config: ClassifierConfig,
    device: torch.device,
    progress: Progress | None = None,
    *,
    state: Path | None = None,
    where: str = "classifier",
) -> ImageClassifier:
    """Train a classifier from scratch. The same images, options, machine and build give the same weights.

    Torch's global generators are not changed.

    Args:
        images: (N, C, S, S) uint8; may be memory-mapped.
        labels: (N,) int64, from 0 to ``num_classes`` - 1.
        num_classes: K.
        config: network, length and augmentation.
        device: where to train; the classifier is returned there.
        progress: called after each step with the steps done and their total number.
        state: file with the state of the training, written every few minutes. If it exists, the training resumes from
            it and gives the same weights as without a stop. It must be of the same images and options; the caller
            removes it after saving the classifier.
        where: name of the table of these options in messages.

    Returns:
        The classifier in evaluation mode, without gradients.

    Raises:
        RecipeError: the options fit no network for these images.
        DivergenceError: the training did not stay finite.
    """

    def begin() -> _Training:
        return _Training(np.asarray(images), np.asarray(labels), num_classes, config, device, where)

    training, generators = begin(), None
    if state is not None and state.is_file():
        try:
            generators = training.resume(state)
        except Exception as error:  # torch raises different errors for what does not fit
            if is_out_of_memory(error):
                raise
            text = f"{state}: is damaged, or of another network; the training of the classifier starts over"
            warnings.warn(text, DamageWarning, stacklevel=2)
            training = begin()  # a part of the state may have been loaded
    with seeded(config.seed, device):  # for networks with dropout
        if generators is not None:
            torch.set_rng_state(generators[0])
            if device.type == "cuda" and len(generators) > 1:  # the state may come from a CPU
                torch.cuda.set_rng_state(generators[1], device)
        written = time.monotonic()
        while training.done < training.steps:
            training.step()
            if progress:
                progress(training.done, training.steps)
            if state is not None and time.monotonic() - written >= STATE_EVERY:
                training.check_finite()
                training.write(state)
                written = time.monotonic()
    training.check_finite()
    return training.classifier.eval().requires_grad_(False)


@torch.inference_mode()
def accuracy(classifier: nn.Module, images: np.ndarray | Tensor, labels: np.ndarray | Tensor) -> float:
    """Share of images that a classifier predicts correctly.

    Args:
        classifier: images (N, C, S, S) in [-1, 1] to logits (N, K); in evaluation mode.
        images: (N, C, S, S) uint8; may be memory-mapped.
        labels: (N,) int64.
    """
    device = next(classifier.parameters()).device
    correct = torch.zeros((), dtype=torch.int64, device=device)
    images, labels = np.asarray(images), np.asarray(labels)
    for start in range(0, len(labels), CHUNK):
        part = to_unit(torch.from_numpy(np.array(images[start : start + CHUNK])).to(device))
        truth = torch.from_numpy(labels[start : start + CHUNK]).to(device)
        correct += (classifier(part).argmax(1) == truth).sum()
    return correct.item() / len(labels)


class _Training:
    """The state of a training: the network, and everything that decides its next steps."""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        num_classes: int,
        config: ClassifierConfig,
        device: torch.device,
        where: str,
    ) -> None:
        self.config, self.device, self.where = config, device, where
        shape = Shape(image_channels=images.shape[1], image_size=images.shape[2], num_classes=num_classes)
        self.classifier = ImageClassifier(config, shape, where).to(device)
        mean, std = _moments(images)
        self.classifier.mean.copy_(mean)
        self.classifier.std.copy_(std)
        self.classifier.train()
        self.optimizer = torch.optim.SGD(
            self.classifier.parameters(),
            config.learning_rate,
            momentum=0.9,  # the one-cycle schedule replaces it with values between 0.85 and 0.95
            nesterov=True,
            weight_decay=config.weight_decay,
        )
        self.done = 0
        self.steps = config.steps or max(2, config.epochs * len(labels) // config.batch_size)
        schedules = torch.optim.lr_scheduler
        self.schedule: schedules.LRScheduler = (
            schedules.MultiStepLR(self.optimizer, [self.steps // 2, 3 * self.steps // 4], gamma=0.1)
            if config.schedule == "step"
            else schedules.OneCycleLR(self.optimizer, config.learning_rate, total_steps=self.steps)
        )
        self.batches = Batches(ImageSet(images, labels, (), "train", ""), config.batch_size, config.seed, device)
        self.random = torch.Generator().manual_seed(config.seed)
        self.padding = images.shape[-1] // 8 if config.crop_padding is None else config.crop_padding

    def step(self) -> None:
        """Train on one batch, without waiting for the device."""
        images, labels = self.batches.next()
        logits = self.classifier(augment(images, self.padding, self.config.flip, self.random))
        self.optimizer.zero_grad()
        F.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.schedule.step()
        self.done += 1

    def check_finite(self) -> None:
        """Raise :class:`DivergenceError` if a weight is not finite."""
        if not all(tensor.isfinite().all() for tensor in self.classifier.state_dict().values()):
            raise DivergenceError(
                "the classifier's training did not stay finite; "
                f"lower {self.where}.learning_rate (it is {self.config.learning_rate:g})"
            )

    def write(self, path: Path) -> None:
        """Write the state, with that of torch's global generators. A full disk does not stop the training."""
        content = {
            "done": self.done,
            "classifier": self.classifier.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": self.random.get_state(),
            "generators": [
                torch.get_rng_state(),
                *([torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else []),
            ],
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        with suppress(OSError):
            write_whole(path, buffer.getbuffer())

    def resume(self, path: Path) -> list[Tensor]:
        """Load what :meth:`write` wrote; returns the states of the global generators of the CPU and a CUDA device."""
        content: dict[str, Any] = load_torch(path)
        self.classifier.load_state_dict(content["classifier"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.schedule.load_state_dict(content["schedule"])
        self.random.set_state(content["random"])
        self.done = self.batches.position = content["done"]
        return list(content["generators"])


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's global generators of the CPU and ``device`` (CPU or CUDA), and restore them at the end.

    ``torch.manual_seed`` would also seed other devices, which are not restored.
    """
    device = torch.device(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def augment(images: Tensor, padding: int, flip: bool, random: torch.Generator) -> Tensor:
    """Shift each image (N, C, S, S) by up to ``padding`` pixels, filled with black; mirror half of them if ``flip``.

    ``random`` is on the CPU, so that every device gets the same shifts.
    """
    count, _, size, _ = images.shape
    if padding:
        padded = F.pad(images, (padding,) * 4, value=-1.0)
        corners = torch.randint(2 * padding + 1, (2, count, 1), generator=random)
        rows, columns = _to(images.device, corners + torch.arange(size))
        sample = torch.arange(count, device=images.device)[:, None, None]
        images = padded[sample, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    if flip:
        mirrored = _to(images.device, torch.rand(count, generator=random) < 0.5)
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    return images


def _to(device: torch.device, tensor: Tensor) -> Tensor:
    """Copy to the device without waiting for it."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


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
    # A constant channel has no deviation to divide by.
    std = np.where(variance > 0, np.sqrt(variance), 1.0)
    return torch.from_numpy(mean), torch.from_numpy(std)
