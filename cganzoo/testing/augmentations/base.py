"""What the checks of an augmentation share: an augmentation with each choice of its options, and images for it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from unittest import SkipTest

import torch
from torch import Tensor

from cganzoo.augmentation import Augmentation
from cganzoo.errors import CganzooError
from cganzoo.specs import AugmentationSpec, BuildContext
from cganzoo.testing.conformance import build_context, built
from cganzoo.testing.randomness import seeded
from cganzoo.testing.variants import TOTAL_STEPS, Variant, VariantChecks
from cganzoo.train.steps import observes as observes

CLASSES = 3
SIZE = 6  # images of a batch, unless a check needs another number
IMAGES = tuple((channels, size, size) for size in (12, 32, 64, 8) for channels in (3, 1))
"""Shapes of images, of which the checks use the first that is not refused."""
SEEDS = range(8)
"""Seeds of which at least one has to change an image: an augmentation may leave an image as it is."""
OBSERVED, LARGE_BATCH, HIGH_SCORE = 300, 10_000, 10.0
"""Most batches that an adaptive augmentation observes before it is checked, their size, and their scores."""


@dataclass(frozen=True)
class Augmented(Variant):
    """An augmentation with one choice of its options."""

    spec: AugmentationSpec[Any]
    image: tuple[int, int, int] = IMAGES[0]

    @property
    def context(self) -> BuildContext:
        """The context in which the augmentation is built."""
        return build_context(CLASSES, self.image[1], self.image[0])

    def new(self) -> Augmentation:
        """A new instance."""
        with seeded(self.seed):
            return built(self.spec.build(self.config, self.context), Augmentation).to(self.dtype)

    @cached_property
    def augmentation(self) -> Augmentation:
        """The augmentation as it is in training: :func:`dataclasses.replace` gives a new one.

        An adaptive one is often the identity at first, so this one has observed that real images score very high,
        until it changes half of the images. If it changes none at the first step, it is as in the middle of the run,
        or at its end: schedules.
        """
        augmentation = self.new()
        with torch.no_grad():
            for number in range(OBSERVED if observes(augmentation) else 0):
                if number % 5 == 0 and self._changes_half(augmentation):
                    break
                augmentation.observe(torch.full((LARGE_BATCH,), HIGH_SCORE, dtype=self.dtype))
            for step in (0, TOTAL_STEPS // 2, TOTAL_STEPS):
                augmentation.advance(step, TOTAL_STEPS)
                if any(self.changed(augmentation, seed) for seed in SEEDS):
                    break
        return augmentation

    def _changes_half(self, augmentation: Augmentation) -> bool:
        images = self.images(4 * SIZE)
        return int((drawn(augmentation, images) != images).flatten(1).any(1).sum()) >= 2 * SIZE

    def changed(self, augmentation: Augmentation, seed: int) -> bool:
        """Whether a batch is changed."""
        images = self.images(seed=seed)
        return not torch.equal(drawn(augmentation, images, seed), images)

    def images(self, size: int = SIZE, seed: int = 0) -> Tensor:
        """Random images (size, C, H, W) in [-1, 1]."""
        random = torch.Generator().manual_seed(seed)
        return (2 * torch.rand(size, *self.image, generator=random, dtype=torch.float64) - 1).to(self.dtype)


class AugmentationChecks(VariantChecks):
    """Base of the classes that check an augmentation."""

    def each(self) -> Iterator[Augmented]:
        """A new instance for each choice of options."""
        for config, label in self.chosen():
            yield Augmented(self.spec, config, label, image=self.image())

    @classmethod
    @functools.cache
    def image(cls) -> tuple[int, int, int]:
        """The first of :data:`IMAGES` that the augmentation does not refuse."""
        kit = cls()
        for image in IMAGES:
            try:
                Augmented(kit.spec, kit.config(), image=image).new()
            except CganzooError:
                continue
            except Exception:  # the checks report it
                pass
            return image
        raise AssertionError(f"it refuses images of the shapes {', '.join(map(str, IMAGES))}")


def drawn(augmentation: Augmentation, images: Tensor, seed: int = 0) -> Tensor:
    """The changed images, with random numbers that depend on ``seed`` only."""
    with seeded(seed):
        changed: Tensor = augmentation(images)
        return changed


def needs_change(case: Augmented) -> None:
    """Skip a check of how images are changed if these options change none."""
    if not any(case.changed(case.augmentation, seed) for seed in SEEDS):
        raise SkipTest("it changes no image: see changes_images")


def exact(case: Augmented) -> Augmented:
    """The same in float64."""
    return replace(case, dtype=torch.float64)
