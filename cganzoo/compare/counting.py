"""How many parameters methods have, before any of them is trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cganzoo.datasets import load_data
from cganzoo.engine import build_context
from cganzoo.resolution import Resolved
from cganzoo.terminal import Reporter

from .plan import Plan


def parameters(plan: Plan, reporter: Reporter) -> dict[str, dict[str, int]]:
    """Parameters of generator, trunk and objective, by the method's name. Packs the data set if need be.

    Raises:
        CganzooError: the data set is missing, or a network refuses the images.
    """
    classes: dict[str, tuple[str, ...]] = {}
    found = {}
    for method in plan.methods:
        if method.resolved is None:
            continue
        data = repr(method.values["data"])
        if data not in classes:
            classes[data] = tuple(load_data(method.resolved, reporter)["train"].class_names)
        found[method.name] = _count(method.resolved, classes[data])
    return found


def _count(resolved: Resolved, class_names: tuple[str, ...]) -> dict[str, int]:
    context = build_context(resolved, class_names)
    with torch.random.fork_rng(devices=[]):
        generator = resolved.generator.spec.build(resolved.generator.config, context)
        trunk: Any = resolved.discriminator.spec.build(resolved.discriminator.config, context)
        objective = resolved.loss.spec.build(
            resolved.loss.config, build_context(resolved, class_names, feature_dim=trunk.feature_dim)
        )
    return {"generator": _size(generator), "trunk": _size(trunk), "objective": _size(objective)}


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
