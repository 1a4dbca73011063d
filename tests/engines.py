"""Engines on small random images, with components of the tests in place of those that a recipe names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from cganzoo.config import Config, Schedule
from cganzoo.data.cache import ImageSet
from cganzoo.recipe.resolve import Chosen, Resolved
from cganzoo.registry import KINDS
from cganzoo.specs import BuildContext, ComponentTable, RegularizerTable
from cganzoo.train.engine import Engine

CPU = torch.device("cpu")
Make = Callable[[BuildContext], nn.Module]


def noise_images() -> ImageSet:
    """64 images in four classes, in an order that is not the labels'."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (64, 1, 8, 8), np.uint8)
    return ImageSet(pixels, random.permutation(np.arange(64) % 4), tuple("abcd"), "train", "noise")


def started(resolved: Resolved) -> Engine:
    """A new engine for the images of :func:`noise_images`."""
    return Engine(resolved, noise_images(), CPU)


def chosen(resolved: Resolved, kind: str, make: Make, table: ComponentTable | None = None) -> Chosen[Any]:
    """A component of a test, named as its class."""
    table = table or ComponentTable(name=getattr(make, "__name__", "own").lower())
    spec = KINDS[kind].spec(  # type: ignore[call-arg]
        name=table.name, summary="A test's", config=Config, build=lambda config, context: make(context)
    )
    return Chosen(table, spec, Config(), resolved.loss.provider)


def with_own(resolved: Resolved, **components: Make) -> Resolved:
    """The recipe with these in place of what it names, by kind."""
    own = {
        kind: (chosen(resolved, kind, make, KINDS[kind].spec.table(name="own")),) for kind, make in components.items()
    }
    return replace(resolved, components={**resolved.components, **own})


def with_extras(
    resolved: Resolved,
    *regularizers: tuple[Make, float | Schedule, int],
    augmentations: Sequence[Make] = (),
    **components: Make,
) -> Resolved:
    """:func:`with_own`, with regularizers, each with ``weight`` and ``every``, and with augmentations."""
    own = with_own(resolved, **components)
    tables = [RegularizerTable(name=make.__name__.lower(), weight=w, every=k) for make, w, k in regularizers]
    extras = {
        "regularizer": tuple(
            chosen(resolved, "regularizer", make, table) for (make, *_), table in zip(regularizers, tables, strict=True)
        ),
        "augmentation": tuple(chosen(resolved, "augmentation", make) for make in augmentations),
    }
    return replace(own, components={**own.components, **extras})
