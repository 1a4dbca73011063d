"""Counts the files of a tree that a layout does not use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cganzoo._util.text import listed
from cganzoo.data.file_source import Splits
from cganzoo.data.tree import Tree

from .branch import Branch, endings
from .folders import counted
from .formats import PICTURES, by_ending


@dataclass(frozen=True)
class LeftOut:
    """What is not used: in one line, and what of it a user must know before training."""

    line: str
    notes: tuple[str, ...]


def left_out(tree: Tree, top: Branch, splits: Splits, label_files: Sequence[str]) -> LeftOut:
    """Count images that are in no split, other files by their endings, and what is no file at all."""
    used = sum(len(files) for classes in splits.values() for files in classes.values())
    known = frozenset(label_files)
    others = endings([name for folder in top.walk() for name in folder.files if name not in known])
    counts = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    parts, notes = [], []
    if images := top.count - used:
        parts.append(counted(images, "image"))
    if counts:
        parts.append(f"{counted(sum(others.values()), 'other file')} ({by_ending(counts)})")
    if tree.special:
        what = "entry that is" if tree.special == 1 else "entries that are"
        parts.append(f"{tree.special:,} {what} no file (a FIFO, a device or a socket)")
        notes.append(f"{parts[-1]} were left out" if tree.special > 1 else f"{parts[-1]} was left out")
    if pictures := [(ending, count) for ending, count in counts if ending in PICTURES]:
        total = sum(count for _, count in pictures)
        notes.append(
            f"{counted(total, 'file')} {'was' if total == 1 else 'were'} left out, as this format is not read: "
            f"{by_ending(pictures)}; convert {'it' if total == 1 else 'them'} to PNG or JPEG to use "
            f"{'it' if total == 1 else 'them'}"
        )
    return LeftOut(f"left out: {listed(parts, 'and')}" if parts else "", tuple(notes))
