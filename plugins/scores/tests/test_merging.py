"""Merging where parts draw at random, beyond the conformance kit's checks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from cganzoo_scores.bootstrap import PoissonBootstrap
from cganzoo_scores.kept_images import RandomSubset
from torch import Tensor

from cganzoo.metric import Metric
from cganzoo.testing.toys import LATENT_DIM, ToyGenerator


def numbered(start: int, stop: int) -> Tensor:
    return torch.arange(float(start), float(stop))[:, None]


def subset(features: Tensor, size: int = 10, seed: int = 0) -> RandomSubset:
    made = RandomSubset(size, seed)
    for part in torch.split(features, 7):
        made.add(part)
    return made


# --- random subset --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [(3, 12), (12, 3), (0, 15), (15, 0), (20, 20), (9, 11)])
def test_a_subset_of_merged_parts_is_that_of_the_whole_where_none_was_dropped(parts: tuple[int, int]) -> None:
    first, second = subset(numbered(0, parts[0])), subset(numbered(parts[0], sum(parts)))
    first.merge(second)
    whole = subset(numbered(0, sum(parts)))
    assert torch.equal(first.features(), whole.features())
    assert len(first) == len(whole)


@pytest.mark.parametrize(
    "parts", [(25, 75), *(pytest.param(parts, marks=pytest.mark.slow) for parts in [(75, 25), (5, 95), (50, 50)])]
)
def test_a_subset_of_merged_parts_is_fair(parts: tuple[int, int]) -> None:
    hits = torch.zeros(100)
    for seed in range(1500):
        first, second = (subset(part, seed=seed) for part in torch.split(numbered(0, 100), list(parts)))
        first.merge(second)
        kept = first.features()[:, 0]
        assert len(kept) == 10
        assert (kept.diff() > 0).all()
        hits[kept.long()] += 1
    # Of one part as often as of the other, and of each of its images as often.
    assert hits[: parts[0]].sum() / 15000 == pytest.approx(parts[0] / 100, abs=0.02)
    assert (hits / 1500 - 0.1).abs().max() < 0.04


# --- bootstrap ------------------------------------------------------------------------------------------------------


def spread(bootstrap: PoissonBootstrap) -> float:
    return float(bootstrap.means()[:, 0].std())


def test_merged_replicas_spread_as_those_of_the_whole_though_both_parts_are_alike() -> None:
    values = torch.randn(400, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whole, first, second = (PoissonBootstrap(2000) for _ in range(3))
    whole.add(torch.cat([values, values]))
    first.add(values)
    second.add(values)
    first.merge(second)
    assert spread(first) == pytest.approx(spread(whole), rel=0.07)  # 1.41 times it, were replicas merged in order


def test_replicas_merged_with_nothing_stay() -> None:
    values = torch.randn(20, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    first, second = PoissonBootstrap(50), PoissonBootstrap(50)
    first.add(values)
    before = first.means()
    first.merge(PoissonBootstrap(50))
    assert torch.equal(first.means(), before)
    second.merge(first)
    assert torch.equal(second.means().sort(0).values, before.sort(0).values)


# --- noise sensitivity ----------------------------------------------------------------------------------------------


def test_noise_given_to_both_parts_counts_as_one_batch(build: Callable[..., Metric]) -> None:
    torch.manual_seed(0)
    generator, z, labels = ToyGenerator(3).eval(), torch.randn(20, LATENT_DIM), torch.arange(20) % 3

    def slopes(*parts: slice) -> dict[str, float | None]:
        merged = build("noise_sensitivity", samples=16)
        for part in parts:
            metric = build("noise_sensitivity", samples=16)
            metric.update_generator(generator, z[part], labels[part])
            merged.merge(metric)
        return dict(merged.compute())

    assert slopes(slice(12), slice(12, 20)) == pytest.approx(slopes(slice(20)), rel=1e-6)
