"""data.flip: a key that was added after 0.1, so recipes without it must be the runs that they were."""

from __future__ import annotations

from collections.abc import Callable

from cganzoo.recipe.resolve import Resolved


def test_mirroring_is_part_of_what_a_run_is_only_where_it_is_on(resolved: Callable[..., Resolved]) -> None:
    default, off, on = resolved(), resolved("data.flip=false"), resolved("data.flip=true")
    assert not default.recipe.sections.data.flip
    assert default.training_digest() == off.training_digest() != on.training_digest()
    assert default.recipe_digest() == off.recipe_digest() != on.recipe_digest()
    assert on.values()["data"]["flip"] is True
