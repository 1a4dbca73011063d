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
def untouched(
    what: str,
    advice: str = "draw no random numbers, or use a generator of your own",
    *,
    torch_too: bool = True,
) -> Iterator[None]:
    """Check that the block does not change the state of a global generator.

    Args:
        what: names the block in the message.
        advice: what to do instead; the end of the message.
        torch_too: whether the block must not change torch's, either.
    """
    before = _states()
    yield
    after = _states()
    unchanged = {
        "torch's": not torch_too or torch.equal(before["torch"], after["torch"]),
        "numpy's": all(map(np.array_equal, before["numpy"], after["numpy"])),
        "Python's (module random)": before["python"] == after["python"],
    }
    for owner, same in unchanged.items():
        assert same, f"{what} uses {owner} global random number generator, which others use, too; {advice}"


def _states() -> dict[str, Any]:
    return {"torch": torch.get_rng_state(), "numpy": np.random.get_state(), "python": random.getstate()}
