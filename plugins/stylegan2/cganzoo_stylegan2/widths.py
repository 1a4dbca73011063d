"""The number of channels at a resolution."""

from __future__ import annotations


def channels(side: int, width: int, max_width: int) -> int:
    """``width`` at 512 px, doubled with each halving of the side, at most ``max_width``."""
    return min(max_width, width * 512 // side)
