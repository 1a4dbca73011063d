"""cganzoo.functional compared with naive loops, in float64."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cganzoo import AdversarialRule
from cganzoo.functional import adversarial_fake, adversarial_generator, adversarial_real, conditional_contrastive

# What D minimises on real and on fake samples, and G on its samples, as formulas of one score.
NAIVE: dict[AdversarialRule, tuple[Callable[[float], float], ...]] = {
    "hinge": (lambda s: max(0.0, 1 - s), lambda s: max(0.0, 1 + s), lambda s: -s),
    "logistic": (
        lambda s: -math.log(1 / (1 + math.exp(-s))),
        lambda s: -math.log(1 - 1 / (1 + math.exp(-s))),
        lambda s: -math.log(1 / (1 + math.exp(-s))),
    ),
    "least_squares": (lambda s: (s - 1) ** 2 / 2, lambda s: s**2 / 2, lambda s: (s - 1) ** 2 / 2),
    "wasserstein": (lambda s: -s, lambda s: s, lambda s: -s),
}
PLAYERS = (adversarial_real, adversarial_fake, adversarial_generator)


def test_every_rule_has_a_formula_here() -> None:
    assert set(NAIVE) == set(typing.get_args(AdversarialRule))


@pytest.mark.parametrize("player", range(3))
@pytest.mark.parametrize("rule", NAIVE)
def test_adversarial_rules(rule: AdversarialRule, player: int) -> None:
    scores = torch.tensor([-7.0, -1.3, -0.4, 0.2, 0.9, 1.7, 6.0], dtype=torch.float64, requires_grad=True)
    loss = PLAYERS[player](rule, scores)
    (gradient,) = torch.autograd.grad(loss, scores)
    naive = NAIVE[rule][player]
    assert loss.item() == pytest.approx(sum(naive(s) for s in scores.tolist()) / 7, abs=1e-9)
    for s, slope in zip(scores.tolist(), gradient.tolist(), strict=True):
        assert 7 * slope == pytest.approx((naive(s + 1e-6) - naive(s - 1e-6)) / 2e-6, abs=1e-6)


@pytest.mark.parametrize("rule", NAIVE)
@pytest.mark.parametrize("score", [-1e4, 1e4])
def test_adversarial_rules_stay_finite(rule: AdversarialRule, score: float) -> None:
    for player in PLAYERS:
        scores = torch.tensor([score], requires_grad=True)
        loss = player(rule, scores)
        (gradient,) = torch.autograd.grad(loss, scores)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def naive_contrastive(embeddings: Tensor, proxies: Tensor, labels: list[int], temperature: float) -> Tensor:
    """arXiv:2006.12681, eq. 8."""
    losses = []
    for i in range(len(labels)):
        numerator = denominator = torch.exp(embeddings[i] @ proxies[i] / temperature)
        for j in range(len(labels)):
            if j == i:
                continue
            affinity = torch.exp(embeddings[i] @ embeddings[j] / temperature)
            denominator = denominator + affinity
            if labels[i] == labels[j]:
                numerator = numerator + affinity
        losses.append(-torch.log(numerator / denominator))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("labels", [[0], [3, 3], [0, 1], [0, 1, 2, 3], [2, 0, 2, 2, 5, 0, 1, 1, 2]])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_conditional_contrastive(labels: list[int], temperature: float, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(len(labels), 4, generator=random, dtype=torch.float64)
    proxies = torch.randn(6, 4, generator=random, dtype=torch.float64)[labels]
    embeddings, proxies = (torch.nn.functional.normalize(x, dim=1).requires_grad_() for x in (embeddings, proxies))
    ours = conditional_contrastive(embeddings, proxies, torch.tensor(labels), temperature)
    naive = naive_contrastive(embeddings, proxies, labels, temperature)
    torch.testing.assert_close(ours, naive, rtol=1e-9, atol=1e-9)
    gradients = [torch.autograd.grad(loss, [embeddings, proxies]) for loss in (ours, naive)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-9)


def test_conditional_contrastive_stays_finite_at_a_low_temperature() -> None:
    embeddings = torch.nn.functional.normalize(torch.randn(8, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    embeddings.requires_grad_()
    loss = conditional_contrastive(embeddings, -embeddings.detach(), torch.arange(8) % 3, 1e-3)
    (gradient,) = torch.autograd.grad(loss, embeddings)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()
