"""Channels of the feature maps at each size, and where self-attention stands."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from cganzoo.errors import CganzooError

from .attention import SelfAttention

_MULTIPLES = {
    # Number of doublings to multiples of ``width``, from the smallest maps to the size of the images.
    1: (4, 4),
    2: (4, 4, 4),
    3: (4, 4, 4, 4),  # 32 px
    4: (16, 8, 4, 2, 1),  # 64 px
    5: (16, 16, 8, 4, 2, 1),  # 128 px
    6: (16, 16, 8, 8, 4, 2, 1),  # 256 px
}


def generator_channels(width: int, sides: Sequence[int]) -> list[int]:
    """Channels of the generator's maps of these sides, which double (arXiv:1809.11096, tables 4 and 7)."""
    return [multiple * width for multiple in _MULTIPLES[len(sides) - 1]]


def trunk_channels(width: int, multiple: int, sides: Sequence[int], blocks: int) -> list[int]:
    """Channels after each of the trunk's blocks: those of the generator in reverse.

    Below 64 px, all have ``multiple`` times ``width`` channels.
    """
    if _is_small(sides):
        return [multiple * width] * blocks
    return generator_channels(width, sides)[::-1][-blocks:]


def trunk_sides(sides: Sequence[int], blocks: int) -> list[int]:
    """Sides of the maps after each of the trunk's blocks: halved down to the smallest, and kept by the last blocks.

    Below 64 px, only the first two blocks halve them.

    Args:
        sides: of the generator's maps, which double.
        blocks: number of blocks.
    """
    halved = sides[-2::-1][:2] if _is_small(sides) else sides[-2::-1]
    return [*halved, *[halved[-1]] * (blocks - len(halved))]


def _is_small(sides: Sequence[int]) -> bool:
    return len(sides) <= 4


def attentions(
    key: str, side: int, sides: Sequence[int], channels: Sequence[int], spectral_norm: bool
) -> nn.ModuleList:
    """For each map, what is applied to it: self-attention to the first map of this side, nothing to the others.

    Args:
        key: of the option, for the message.
        side: of the map with self-attention, in pixels; 0: none has it.
        sides: of the maps, in pixels.
        channels: of the maps.
        spectral_norm: whether the layers of the self-attention are normalised.

    Raises:
        CganzooError: no map has that side.
    """
    if side and side not in sides:
        possible = ", ".join(str(side) for side in sorted(set(sides)))
        raise CganzooError(
            f"{key} = {side}, but the feature maps after the blocks have sides of {possible} pixels; write one of "
            "these, or 0 for no self-attention"
        )
    position = sides.index(side) if side else None
    return nn.ModuleList(
        SelfAttention(count, spectral_norm=spectral_norm) if index == position else nn.Identity()
        for index, count in enumerate(channels)
    )
