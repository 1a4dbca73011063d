"""orthogonal: which weights it covers, whose they are, and the naive formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cganzoo_regularizers import reference
from cganzoo_regularizers.orthogonal import squared_products
from torch import nn


def test_it_is_zero_for_orthogonal_filters_of_any_norm() -> None:
    q, _ = torch.linalg.qr(torch.randn(12, 5, dtype=torch.float64))
    filters = (q * torch.arange(1.0, 6)).T.reshape(5, 3, 2, 2)
    assert squared_products(filters).item() == pytest.approx(0, abs=1e-24)


def test_it_is_the_sum_of_squared_products_of_two_filters() -> None:
    """Each pair counts twice, and the diagonal not at all."""
    weight = torch.tensor([[3.0, 0.0], [1.0, 2.0]])
    assert squared_products(weight).item() == 2 * 3**2


@pytest.mark.parametrize(
    ("players", "generator", "discriminator"),
    [("generator", True, False), ("discriminator", False, True), ("both", True, True)],
)
def test_it_equals_its_reference(game: Any, players: str, generator: bool, discriminator: bool) -> None:
    """The toy generator's class embedding is called "classes"; that of the loss, "embedding", is not covered."""
    played = game("orthogonal", players=players, skip=["embedding", "classes"])
    linear = [played.generator.hidden.weight, played.generator.pixels.weight]
    terms = played.generator_terms()
    assert terms.keys() == ({"orthogonal"} if generator else set())
    if generator:
        played.assert_same(terms["orthogonal"], reference.orthogonal(linear), "generator")
    linear = [played.trunk.hidden.weight, played.trunk.features.weight]
    terms = played.discriminator_terms()
    assert terms.keys() == ({"orthogonal"} if discriminator else set())
    if discriminator:
        played.assert_same(terms["orthogonal"], reference.orthogonal(linear))


def test_the_default_covers_the_generator_except_embeddings(game: Any) -> None:
    played = game("orthogonal")
    matrices = [weight for weight in played.generator.parameters() if weight.ndim == 2]
    assert len(matrices) == 3
    torch.testing.assert_close(played.generator_terms()["orthogonal"], squared_sum(matrices))
    assert not played.discriminator_terms()
    everything = game("orthogonal", players="discriminator", skip=[])
    matrices = [weight for weight in everything.parameters["discriminator"] if weight.ndim == 2]
    assert any(weight is everything.objective.embedding.weight for weight in matrices)
    torch.testing.assert_close(everything.discriminator_terms()["orthogonal"], squared_sum(matrices))


def squared_sum(matrices: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack([squared_products(weight) for weight in matrices]).sum()


def test_heads_are_covered_and_vectors_are_not(made: Any) -> None:
    regularizer = made("orthogonal")
    head, convolution = nn.Linear(5, 4), nn.Conv2d(3, 8, 3)
    assert regularizer.covers("logits.weight", head.weight)
    assert regularizer.covers("0.weight", convolution.weight)
    assert not regularizer.covers("logits.bias", head.bias)
    assert not regularizer.covers("realness.weight", nn.Linear(5, 1).weight), "one filter"
    norms = nn.utils.parametrizations.weight_norm(convolution).parametrizations.weight.original0
    assert not regularizer.covers("norms", norms), "norms of weight normalisation"
    assert not regularizer.covers("class_embedding.weight", nn.Embedding(3, 4).weight)
    assert not regularizer.covers("0.weight", nn.Conv2d(3, 8, 3).requires_grad_(False).weight), "not trained"


def test_a_player_without_matrices_has_no_term(game: Any) -> None:
    assert game("orthogonal", skip=["weight"]).generator_terms() == {}
