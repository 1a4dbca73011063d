"""The global random number generators: torch's, numpy's and Python's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators inside the block, and restore their states after it."""
    before = _states()
    torch.default_generator.manual_seed(seed)  # torch.manual_seed also seeds the GPUs, which is slow
    np.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before["torch"])
        np.random.set_state(before["numpy"])
        random.setstate(before["python"])


@contextmanager
def untouched(what: str, allowed: str = "", advice: str = "") -> Iterator[None]:
    """Check that the block does not change the state of a global generator.

    Args:
        what: names the block in the message.
        allowed: owner of a generator that the block may use: ``"torch's"``.
        advice: what to do instead, at the end of the message.
    """
    usual = f"draw from {allowed} only" if allowed else "draw no random numbers, or use a generator of your own"
    before = _states()
    yield
    after = _states()
    unchanged = {
        "torch's": torch.equal(before["torch"], after["torch"]),
        "numpy's": all(map(np.array_equal, before["numpy"], after["numpy"])),
        "Python's (module random)": before["python"] == after["python"],
    }
    for owner, same in unchanged.items():
        problem = f"{what} uses {owner} global random number generator, which others use, too"
        assert same or owner == allowed, f"{problem}; {advice or usual}"


def _states() -> dict[str, Any]:
    return {"torch": torch.get_rng_state(), "numpy": np.random.get_state(), "python": random.getstate()}
