"""A trained generator to draw images from: samples, and interpolations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import get_args

import torch
from torch import Tensor, nn

from cganzoo._util.memory import is_out_of_memory, what_ran_out
from cganzoo.errors import RunError
from cganzoo.networks import Generator

from . import requests
from .drawn import BatchStatistics, drawn, in_equal_parts
from .export_file import Origin
from .interpolation import between_classes, between_noises
from .requests import check_memory, class_labels, whole_number
from .sampling import batch_norms, noise, samples


class TrainedGenerator(nn.Module):
    """A generator ready to sample, in evaluation mode.

    Calling it maps noise (N, latent_dim) and labels (N,) int64 to images (N, C, H, W) in [-1, 1], with standing
    statistics of batch normalisation and without truncation.

    Attributes:
        class_names: the K classes; a label is an index into them.
        conditional: whether the generator takes a class.
        latent_dim: length of one noise vector.
        batch_statistics: what :meth:`sample` uses by default: ``evaluation.batch_statistics`` of the recipe.
    """

    def __init__(self, generator: Generator, origin: Origin, batch_statistics: BatchStatistics = "standing") -> None:
        super().__init__()
        self.generator: Generator = generator
        self.origin, self.class_names, self.batch_statistics = origin, origin.class_names, batch_statistics
        self.conditional, self.latent_dim = generator.conditional, generator.latent_dim
        self.eval()

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images from noise and labels; an unconditional generator needs no labels.

        Raises:
            ValueError: the noise has another shape, or a label is not that of a class. Labels on a GPU are not checked:
                that would wait for it.
        """
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z: has the shape {tuple(z.shape)}, not (N, {self.latent_dim})")
        if labels is None:
            if self.conditional:
                raise ValueError("this generator is conditional: give labels (N,)")
            labels = torch.zeros(len(z), dtype=torch.int64, device=z.device)
        self._check_labels(labels, len(z))
        images: Tensor = self.generator(z, labels)
        return images

    def _check_labels(self, labels: Tensor, count: int) -> None:
        if labels.dtype not in (torch.int32, torch.int64):
            raise ValueError(f"labels: are {labels.dtype}, not torch.int64")
        if labels.shape != (count,):
            raise ValueError(f"labels: have the shape {tuple(labels.shape)}, not ({count},)")
        classes = len(self.class_names)
        if labels.device.type == "cpu" and count and not torch.compiler.is_compiling():
            low, high = labels.min().item(), labels.max().item()
            if low < 0 or high >= classes:
                raise ValueError(f"labels: {low if low < 0 else high} is not a label from 0 to {classes - 1}")

    def sample(
        self,
        count: int,
        *,
        classes: str | int | Sequence[str | int] | None = None,
        seed: int = 0,
        truncation: float | None = None,
        statistics: BatchStatistics | None = None,
        batch_size: int = 250,
    ) -> Tensor:
        """Images (count, C, H, W) in [-1, 1], on the CPU; the same seed gives the same images.

        Args:
            count: number of images.
            classes: one class, or several that are used in turn; default: all. Only for a conditional generator. Each
                is a name or an index. A number in a text is an index only if no class has a number as its name.
            seed: of the noise.
            truncation: from 0 to 10; the smaller, the more typical the images and the fewer the differences between
                them. It bounds the noise, or is the factor of a mapped code's distance from its mean, as
                :meth:`cganzoo.networks.Generator.truncated` of the network says. Default: no truncation.
            statistics: of batch normalisation. ``"standing"``: an image does not depend on the others; ``"batch"``:
                those of each batch, so draw many images of many classes. Default: :attr:`batch_statistics`.
            batch_size: images generated at a time.

        Raises:
            RunError: a class is unknown, the generator takes no class, or a number is out of range.
            CganzooError: the noise of this generator cannot be truncated.
        """
        count = whole_number("count", count, 1, 1 << 62)
        batch_size = whole_number("batch_size", batch_size, 1, 1 << 62)
        seed = whole_number("seed", seed, 0, 1 << 63)
        labels = self._labels(classes)
        generator, batch_size = self._drawn(truncation, statistics, count, batch_size)
        with self._within_memory(count, batch_size):
            found = samples(generator, count, min(count, batch_size), len(self.class_names), seed=seed, classes=labels)
            return torch.cat([images.cpu() for images, _ in found])

    @torch.no_grad()
    def interpolate(
        self,
        rows: int = 1,
        *,
        steps: int = 10,
        classes: str | int | Sequence[str | int] | None = None,
        seed: int = 0,
        truncation: float | None = None,
        statistics: BatchStatistics | None = None,
        batch_size: int = 250,
    ) -> Tensor:
        """Rows of images (rows, steps, C, H, W) in [-1, 1] that change step by step, on the CPU.

        With two ``classes``, a row has one noise, and goes from the first class to the second: the weights of the
        classes change linearly. Otherwise it has one class, and goes from one noise to another on the arc between them.

        Args:
            rows: number of rows; each has other noise.
            steps: images of a row, at least 2; their distances are equal.
            classes: two classes, or one; default: all in turn, each for a row. Names or indices, see :meth:`sample`.
            seed: of the noise.
            truncation: see :meth:`sample`.
            statistics: see :meth:`sample`.
            batch_size: images generated at a time.

        Raises:
            RunError: a class is unknown, the generator takes no class or makes no images between classes, or a number
                is out of range.
            CganzooError: the noise of this generator cannot be truncated.
        """
        rows = whole_number("rows", rows, 1, 1 << 31)
        steps = whole_number("steps", steps, 2, 1 << 31)
        batch_size = whole_number("batch_size", batch_size, 1, 1 << 62)
        seed = whole_number("seed", seed, 0, 1 << 63)
        labels, count = self._labels(classes), rows * steps
        ends = self._two_classes(labels)
        generator, batch_size = self._drawn(truncation, statistics, count, batch_size)
        num_classes = len(self.class_names)
        with self._within_memory(count, batch_size, more_each=4 * num_classes):
            vectors = rows if ends else 2 * rows
            z, first = next(noise(self.generator, vectors, vectors, num_classes, seed=seed, classes=labels))
            z, first = z.cpu(), first.cpu()
            if ends is None:
                latents, inputs = between_noises(z[:rows], z[rows:], steps), first[:rows, None].expand(-1, steps)
            else:
                latents = z[:rows, None].expand(-1, steps, -1)
                inputs = between_classes(*ends, num_classes, steps).expand(rows, -1, -1)
            device = next(self.generator.parameters()).device
            latents, inputs = latents.flatten(0, 1), inputs.flatten(0, 1)
            images = [
                generator(latents[part].to(device), inputs[part].to(device)).float().cpu()
                for part in (slice(start, start + batch_size) for start in range(0, count, batch_size))
            ]
            found = torch.cat(images)
            return found.view(rows, steps, *found.shape[1:])

    def _labels(self, classes: str | int | Sequence[str | int] | None) -> list[int] | None:
        if classes is not None and not self.conditional:
            raise RunError("this generator is unconditional and takes no class")
        return None if classes is None else class_labels(self.class_names, classes)

    def _two_classes(self, labels: list[int] | None) -> tuple[int, int] | None:
        """The two classes of an interpolation between classes; ``None`` if it is one between noises."""
        if labels is None or len(labels) == 1:
            return None
        if len(labels) > 2 or labels[0] == labels[1]:
            found = f"{len(labels)} classes" if len(labels) > 2 else "the same class twice"
            raise RunError(f"an interpolation has one class, or goes from one class to another, but gets {found}")
        if not self.generator.mixes_classes:
            raise RunError(
                f"{type(self.generator).__name__} makes no images between classes (mixes_classes = False); name one "
                "class, for images between two noises"
            )
        return labels[0], labels[1]

    def _drawn(
        self, truncation: float | None, statistics: BatchStatistics | None, count: int, batch_size: int
    ) -> tuple[Generator, int]:
        """The generator with these options, and the size of its batches."""
        truncation = requests.truncation(truncation)
        statistics = self.batch_statistics if statistics is None else statistics
        requests.one_of("statistics", statistics, get_args(BatchStatistics))
        if statistics == "batch" and self.has_batch_statistics:
            if count < 2:
                raise RunError("statistics: those of a batch need 2 images or more, better 100")
            batch_size = in_equal_parts(count, batch_size)
        return drawn(self.generator, statistics, truncation), batch_size

    @property
    def has_batch_statistics(self) -> bool:
        """Whether the generator has batch normalisation, so that its images can depend on their batch."""
        return bool(batch_norms(self.generator))

    @contextmanager
    def _within_memory(self, count: int, batch_size: int, more_each: int = 0) -> Iterator[None]:
        """Refuse more images than fit in memory, before the block and in it; ``more_each``: bytes besides an image."""
        try:
            check_memory(count, self.bytes_each + more_each)
            yield
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise RunError(
                f"{what_ran_out(error)}; draw fewer images at a time: batch_size is {batch_size:,}, count is {count:,}"
            ) from error

    @cached_property
    def bytes_each(self) -> int:
        """Bytes of one image and its noise, as :meth:`sample` holds them; one image is generated to find out."""
        image, _ = next(samples(self.generator, 1, 1, len(self.class_names), seed=0))
        return image.nbytes + 4 * self.latent_dim  # the noise of all images is drawn at once
