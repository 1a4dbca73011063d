"""What is known of methods before they are trained: their parameters and their images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from cganzoo.console.reporter import Reporter
from cganzoo.data.cache import ImageSet
from cganzoo.errors import CganzooError
from cganzoo.recipe.resolve import Resolved
from cganzoo.session.dataset import load_data
from cganzoo.train.engine import build_context

from .plan import Method


@dataclass(frozen=True)
class Counted:
    """Of one method.

    Attributes:
        parameters: of ``"generator"``, ``"trunk"`` and ``"objective"``; empty where they cannot be built.
        images: fingerprint of the training images.
    """

    parameters: Mapping[str, int]
    images: str


def count(methods: Sequence[Method], reporter: Reporter) -> dict[str, Counted]:
    """Look at methods that are trained here, by their names. Packs the data set if need be.

    Raises:
        CganzooError: the data set is missing, or a network refuses the images.
    """
    sets: dict[str, ImageSet] = {}
    found = {}
    for method in methods:
        if method.resolved is None:
            continue
        data = repr(method.values["data"])
        if data not in sets:
            sets[data] = load_data(method.resolved, reporter)["train"]
        try:
            parameters = _parameters(method.resolved, sets[data].class_names)
        except CganzooError:
            raise
        except Exception:  # of a plugin: its run will fail with the same words, and only its run
            parameters = {}
        found[method.name] = Counted(parameters, sets[data].fingerprint)
    return found


def _parameters(resolved: Resolved, class_names: tuple[str, ...]) -> dict[str, int]:
    context = build_context(resolved, class_names)
    with torch.random.fork_rng(devices=[]):
        generator = resolved.generator.spec.build(resolved.generator.config, context)
        trunk = resolved.discriminator.spec.build(resolved.discriminator.config, context)
        objective = resolved.loss.spec.build(
            resolved.loss.config, build_context(resolved, class_names, feature_dim=trunk.feature_dim)
        )
    return {"generator": _size(generator), "trunk": _size(trunk), "objective": _size(objective)}


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
