"""Which folders with images may be class folders, so that a label file is compared with them."""

from __future__ import annotations

import re

from .branch import Branch
from .folders import MASKS, PHOTOS
from .splits import UNLABELLED, split_kind, split_kinds

PARTS = PHOTOS | frozenset(["part", "parts", "batch", "chunk", "shard", "bucket", "dir", "folder"])
"""Words in names of folders that divide a set by its size only, as in ``images_part_1``."""


def split_level(branch: Branch) -> Branch:
    """``branch``, or the first folder below it, along single folders, that holds folders of splits."""
    level = branch
    while not split_kinds(level.inner) and len(level.inner) == 1:
        (level,) = level.inner.values()
    return level if split_kinds(level.inner) else branch


def like_classes(branch: Branch) -> dict[str, list[str]]:
    """The folders below ``branch`` that may be class folders: name in the tree to the folders' own names down to it.

    Empty if the folders with images are only splits, or only places for images. Where a folder of training images is
    found, folders outside the splits do not count.
    """
    level = split_level(branch)
    kinds = split_kinds(level.inner)
    tops = [level.inner[name] for name in kinds] if "train" in kinds.values() else [branch]
    found: dict[str, list[str]] = {}
    counts = []
    for top in tops:
        for folder in top.walk():
            path = folder.name[len(top.name) :].split("/")[:-1]
            while path and path[-1].casefold() in PHOTOS:
                path.pop()
            if folder.images and path and not _is_other(path[-1]):
                found[folder.name] = path
                counts.append(len(folder.images))
    names = {path[-1] for path in found.values()}
    return {} if len(names) < 2 or max(counts) == 1 or are_places(names) else found


def are_places(names: set[str]) -> bool:
    """Whether names differ only in the number of a part (``images_part_1``), or are those of buckets."""
    stems = {re.sub(r"\d+", "", name.casefold()) for name in names}
    if len(stems) == 1 and PARTS & set(re.split(r"[\W_]+", stems.pop())):
        return True
    if all(re.fullmatch(r"\d\d000", name) for name in names):
        return True
    text = "".join(names)
    hexadecimal = all(re.fullmatch("[0-9a-f]{1,2}", name) for name in names)
    return hexadecimal and not text.isdecimal() and not text.isalpha()


def same_class(folder: str, label: str) -> bool:
    """Whether a folder's name and a label mean the same class, but for case, blanks and zeros in front."""
    one, other = (re.sub(r"[\W_]+", " ", name.casefold()).strip() for name in (folder, label))
    return folder == label or (one == other != "") or (one.isdecimal() and other.isdecimal() and int(one) == int(other))


def _is_other(name: str) -> bool:
    low = name.casefold()
    return low in UNLABELLED or MASKS.fullmatch(low) is not None or split_kind(name) is not None
