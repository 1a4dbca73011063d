"""cr and bcr: the second views, invariant trunks, and the naive formulas."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cganzoo_regularizers import reference
from cganzoo_regularizers.config import BCRConfig, CRConfig
from cganzoo_regularizers.views import in_pixels, second_view
from pydantic import ValidationError
from torch import Tensor

from cganzoo.config import parse
from cganzoo.testing.toys import ToyTrunk

N, SIZE = 6, 8


class Symmetric(ToyTrunk):
    """A trunk that gives a mirrored image the same features."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images + images.flip(3))


# --- views ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("flip", "shift"), [(True, 0), (False, 2), (True, 2)])
def test_a_view_is_the_image_moved_and_mirrored(flip: bool, shift: int) -> None:
    images = torch.randn(N, 3, 5, 7, dtype=torch.float64)
    torch.manual_seed(3)
    views = second_view(images, flip=flip, shift=shift)
    torch.manual_seed(3)
    moves = torch.randint(-shift, shift + 1, (2, N, 1)).squeeze(2).T if shift else torch.zeros(N, 2, dtype=torch.long)
    mirrored = torch.rand(N) < 0.5 if flip else torch.zeros(N, dtype=torch.bool)
    drawn = zip(images, moves.tolist(), mirrored.tolist(), strict=True)
    expected = [reference.view(image, down, right, flipped) for image, (down, right), flipped in drawn]
    assert torch.equal(views, torch.stack(expected))
    assert not torch.equal(views, images)


def test_samples_are_moved_and_mirrored_on_their_own() -> None:
    """All moves from -2 to 2 in both directions and both orientations occur, whatever the others are."""
    image = torch.arange(49.0).view(1, 1, 7, 7).repeat(400, 1, 1, 1)
    torch.manual_seed(0)
    views = second_view(image, flip=True, shift=2)
    middle, right_of_it = views[:, 0, 3, 3].long(), views[:, 0, 3, 4].long()
    seen = set(zip((middle // 7 - 3).tolist(), (middle % 7 - 3).tolist(), (right_of_it > middle).tolist(), strict=True))
    assert len(seen) == 5 * 5 * 2
    assert not torch.equal(views, second_view(image, flip=True, shift=2))


def test_a_view_keeps_type_and_shape_and_passes_the_gradient() -> None:
    images = torch.randn(N, 3, 4, 6, dtype=torch.bfloat16).to(memory_format=torch.channels_last).requires_grad_()
    view = second_view(images, flip=True, shift=0)
    assert (view.dtype, view.shape) == (images.dtype, images.shape)
    (gradient,) = torch.autograd.grad(view.sum(), images)
    assert (gradient == 1).all()


@pytest.mark.parametrize(("share", "size", "pixels"), [(0.125, 32, 4), (0.125, 8, 1), (0.01, 32, 1), (0, 32, 0)])
def test_a_shift_is_a_share_of_the_size(share: float, size: int, pixels: int) -> None:
    assert in_pixels(share, size) == pixels


@pytest.mark.parametrize("config", [CRConfig, BCRConfig])
def test_options_that_change_no_image_are_refused(config: Any) -> None:
    with pytest.raises(ValidationError, match=r"always 0; write shift = 0\.125"):
        parse(config, {"flip": False, "shift": 0})
    assert parse(config, {"flip": True, "shift": 0}).flip
    assert parse(config, {"flip": False}).shift == 0.125


# --- invariance -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", ["score", "features"])
@pytest.mark.parametrize(("name", "terms"), [("cr", {"cr"}), ("bcr", {"bcr_real", "bcr_fake"})])
def test_the_terms_are_zero_for_an_invariant_trunk_only(game: Any, name: str, terms: set[str], of: str) -> None:
    invariant = game(name, trunk=Symmetric(), shift=0, of=of).discriminator_terms()
    assert invariant.keys() == terms
    assert all(term.item() == pytest.approx(0, abs=1e-24) for term in invariant.values())
    assert all(term.item() > 1e-6 for term in game(name, trunk=Symmetric(), of=of).discriminator_terms().values())
    assert all(term.item() > 1e-6 for term in game(name, shift=0, of=of).discriminator_terms().values())


def test_an_image_of_one_colour_has_equal_views(game: Any) -> None:
    played = game("cr")
    played.images = torch.linspace(-1, 1, N, dtype=torch.float64).view(N, 1, 1, 1).expand(N, 1, SIZE, SIZE)
    assert played.discriminator_terms()["cr"].item() == pytest.approx(0, abs=1e-24)


# --- the naive formulas ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", ["score", "features"])
def test_cr_and_bcr_equal_their_reference(game: Any, of: str) -> None:
    for name, labels in [("cr", {"cr": 1.0}), ("bcr", {"bcr_real": 1.0, "bcr_fake": 0.3})]:
        played = game(name, of=of, **({"fake_factor": 0.3} if name == "bcr" else {}))
        d = played.d if of == "score" else played.phi
        batches = played.batches()
        torch.manual_seed(7)
        views = [second_view(batch.images, flip=True, shift=1) for batch in batches]
        terms = played.discriminator_terms(seed=7)
        assert terms.keys() == labels.keys()
        for (label, factor), batch, other in zip(labels.items(), batches, views, strict=False):
            expected = factor * reference.consistency(d, zip(batch.images, batch.labels, strict=True), other)
            played.assert_same(terms[label], expected)


def test_a_factor_follows_a_schedule(game: Any) -> None:
    played = game("bcr", fake_factor={"from": 0.0, "to": 1.0})
    played.regularizer.advance(0, 10)
    assert played.discriminator_terms()["bcr_fake"].item() == 0
    played.regularizer.advance(10, 10)
    assert torch.equal(played.discriminator_terms()["bcr_fake"], game("bcr").discriminator_terms()["bcr_fake"])
