"""The random number generators that a whole process shares: torch's, numpy's and Python's own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The shared generators start from ``seed`` meanwhile; after it they are where they were before."""
    before = _states()
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before["torch"])
        np.random.set_state(before["numpy"])
        random.setstate(before["python"])


@contextmanager
def untouched(what: str) -> Iterator[None]:
    """Make sure that none of the shared generators is moved meanwhile.

    Args:
        what: runs meanwhile, for the message: ``"generator_loss"``.

    Raises:
        AssertionError: one was; the message names it.
    """
    before = _states()
    yield
    after = _states()
    same = {
        "torch": torch.equal(before["torch"], after["torch"]),
        "numpy": all(np.array_equal(one, other) for one, other in zip(before["numpy"], after["numpy"], strict=True)),
        "python": before["python"] == after["python"],
    }
    drawn_from = {"torch": "torch's", "numpy": "numpy's", "python": "Python's (module random)"}
    for name, unmoved in same.items():
        assert unmoved, (
            f"{what} moves {drawn_from[name]} global random number generator, so it changes what all others draw; "
            "draw nothing, or from a generator of your own"
        )


def _states() -> dict[str, Any]:
    return {"torch": torch.get_rng_state(), "numpy": np.random.get_state(), "python": random.getstate()}
