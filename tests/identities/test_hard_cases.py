"""Edge cases of every loss of the zoo: few and many classes, missing classes, one sample, bfloat16, one graph.

The conformance checks of each plugin cover the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cganzoo_acgan
import cganzoo_amgan
import cganzoo_contragan
import cganzoo_ecgan
import cganzoo_labelgan
import cganzoo_projgan
import cganzoo_reacgan
import pytest
import torch
from torch import Tensor

from cganzoo import BuildContext, LossSpec
from cganzoo.config import parse
from cganzoo.objective import Batch, Objective

PLUGINS = (
    cganzoo_acgan,
    cganzoo_amgan,
    cganzoo_contragan,
    cganzoo_ecgan,
    cganzoo_labelgan,
    cganzoo_projgan,
    cganzoo_reacgan,
)
SPECS: dict[str, LossSpec[Any]] = {spec.name: spec for plugin in PLUGINS for spec in plugin.cganzoo_losses()}
OPTIONS: list[tuple[str, dict[str, object]]] = [
    *((name, {}) for name in SPECS),
    ("amgan", {"labeling": "dynamic"}),
    ("acgan", {"labeling": "dynamic"}),
    ("ecgan", {"variant": "UCE"}),
    ("ecgan", {"variant": "UCE", "combine": "logits"}),
    ("reacgan", {"form": "released"}),
]
each_loss = pytest.mark.parametrize(("name", "options"), OPTIONS, ids=lambda value: str(value) if value else "")


def make(name: str, options: dict[str, object], classes: int) -> Objective:
    torch.manual_seed(0)
    context = BuildContext(num_classes=classes, image_size=8, feature_dim=16)
    return SPECS[name].build(parse(SPECS[name].config, options), context)


def batch(labels: Tensor, seed: int = 0, scale: float = 1.0) -> Batch:
    features = scale * torch.randn(len(labels), 16, generator=torch.Generator().manual_seed(seed))
    return Batch(torch.zeros(len(labels), 3, 8, 8), labels, features.requires_grad_())


def losses(objective: Objective, real: Batch, fake: Batch) -> Iterator[Tensor]:
    """Every term, each a scalar."""
    for terms in (objective.discriminator_loss(real, fake), objective.generator_loss(fake)):
        for term in terms.values():
            assert term.shape == ()
            yield term


def assert_finite(objective: Objective, real: Batch, fake: Batch) -> None:
    total = torch.stack(list(losses(objective, real, fake))).sum()
    gradients = torch.autograd.grad(total, [real.features, fake.features, *objective.parameters()])
    assert torch.isfinite(total)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@each_loss
@pytest.mark.parametrize(
    ("classes", "labels"),
    [(1, [0]), (1, [0, 0, 0]), (2, [1]), (2, [0, 1, 1]), (7, [2, 2, 6]), (200, [199]), (200, [3, 199, 0, 3, 17])],
)
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_terms_and_gradients_are_finite(
    name: str, options: dict[str, object], classes: int, labels: list[int], scale: float
) -> None:
    objective = make(name, options, classes)
    real, fake = batch(torch.tensor(labels), 0, scale), batch(torch.tensor(labels).flip(0), 1, scale)
    assert_finite(objective, real, fake)
    score = objective.score(real.features, real.labels)
    assert score.shape == (len(labels),)
    assert torch.isfinite(score).all()


@each_loss
@pytest.mark.parametrize("classes", [1, 2, 200])
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_finite_under_bfloat16_autocast(name: str, options: dict[str, object], classes: int, scale: float) -> None:
    objective = make(name, options, classes)
    real, fake = (batch(torch.arange(6) % classes, seed, scale) for seed in (0, 1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_finite(objective, real, fake)


# The conformance kit captures the graph of every loss; here some are compiled, and the others by the slow tests.
@pytest.mark.parametrize(
    ("name", "options"),
    [pytest.param(*case, marks=[pytest.mark.slow] if number % 3 else []) for number, case in enumerate(OPTIONS)],
    ids=lambda value: str(value) if value else "",
)
def test_one_graph_and_the_same_values(name: str, options: dict[str, object]) -> None:
    """fullgraph=True fails for all that waits for the device: .item(), nonzero, Python branches on a tensor."""
    objective = make(name, options, 3)
    real, fake = (batch(torch.arange(6) % 3, seed) for seed in (0, 1))

    def both(real_features: Tensor, real_labels: Tensor, fake_features: Tensor, fake_labels: Tensor) -> list[Tensor]:
        one = Batch(real.images, real_labels, real_features)
        two = Batch(fake.images, fake_labels, fake_features)
        return [*losses(objective, one, two), objective.score(real_features, real_labels)]

    torch.compiler.reset()
    inputs = (real.features, real.labels, fake.features, fake.labels)
    compiled = torch.compile(both, fullgraph=True, backend="aot_eager")(*inputs)
    torch.testing.assert_close(compiled, both(*inputs))


@each_loss
def test_generator_loss_reaches_every_fake(name: str, options: dict[str, object]) -> None:
    objective = make(name, options, 3)
    fake = batch(torch.arange(6) % 3)
    total = torch.stack(list(objective.generator_loss(fake).values())).sum()
    (gradient,) = torch.autograd.grad(total, fake.features)
    assert gradient.any(1).all()
