"""zcr: the naive formulas of its two terms, and what augmentations change."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cganzoo_regularizers import reference
from torch import Tensor

from cganzoo.augmentation import Augmentation

N, LATENT_DIM = 6, 6


class Black(Augmentation):
    """Changes all images to one."""

    def forward(self, images: Tensor) -> Tensor:
        return images * 0


def noises(seed: int, scale: float) -> Tensor:
    torch.manual_seed(seed)
    return scale * torch.randn(N, LATENT_DIM, dtype=torch.float64)


def test_the_discriminator_s_term_equals_its_reference(game: Any) -> None:
    played = game("zcr", noise=0.3, discriminator_factor=2.0)
    pairs = zip(played.z, played.fake_labels, strict=True)
    expected = 2 * reference.latent_consistency(played.d, played.g, pairs, noises(4, 0.3))
    played.assert_same(played.discriminator_terms(seed=4)["zcr"], expected)


def test_the_generator_s_term_equals_its_reference(game: Any) -> None:
    played = game("zcr", noise=0.3, generator_factor=2.0)
    pairs = zip(played.z, played.fake_labels, strict=True)
    expected = 2 * reference.latent_diversity(played.g, pairs, noises(4, 0.3))
    term = played.generator_terms(seed=4)["zcr"]
    assert term < 0
    played.assert_same(term, expected, "generator")


def test_the_factors_are_those_of_the_options(game: Any) -> None:
    terms = [game("zcr").discriminator_terms()["zcr"], game("zcr").generator_terms()["zcr"]]
    plain = game("zcr", discriminator_factor=1.0, generator_factor=1.0)
    assert terms[0].item() == pytest.approx(20 * plain.discriminator_terms()["zcr"].item())
    assert terms[1].item() == pytest.approx(0.5 * plain.generator_terms()["zcr"].item())


def test_the_generator_s_term_compares_images_without_augmentations(game: Any) -> None:
    """So it is not zero if the augmentation makes all images equal."""
    found = []
    for played in (game("zcr"), game("zcr", augmentations=[Black()])):
        torch.manual_seed(4)
        found.append(played.generator_step(played.z, played.fake_labels)[1]["zcr"])
    assert found[0].item() < 0
    assert torch.equal(*found)


def test_the_discriminator_s_term_compares_images_as_the_trunk_sees_them(game: Any) -> None:
    played = game("zcr", augmentations=[Black()])
    assert played.discriminator_step(*played.inputs)[1]["zcr"].item() == 0
    assert game("zcr").discriminator_step(*played.inputs)[1]["zcr"].item() > 0
