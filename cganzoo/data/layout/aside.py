"""Folders next to the set that are no classes by their names: masks, unlabelled images, documents."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cganzoo._util.text import escaped, listed
from cganzoo.data.tree import Tree
from cganzoo.errors import DataError

from .branch import Branch
from .folders import MASKS, PHOTOS, counted, fork, shown
from .splits import UNLABELLED

NO_CLASS = frozenset(["unlabeled", "unlabelled", "unsup", "unsupervised"])
"""Names that cannot be those of a class."""

STRAY = (
    NO_CLASS
    | UNLABELLED
    | frozenset(
        str.split(
            "doc docs documentation readme preview previews screenshot screenshots sample samples example examples "
            "figure figures fig figs plot plots logo logos asset assets demo demos result results output outputs paper "
            "papers misc other others extras"
        )
    )
)
"""Names of folders of images that come with a set and may be no classes."""

_PHOTOS = re.compile(rf"(?:{'|'.join(sorted(PHOTOS, key=len, reverse=True))}|originals?|inputs?|raw|rgb|\d|[\W_])+")


def without_extras(tree: Tree, branch: Branch, notes: list[str]) -> Branch:
    """The branch without folders that are no classes; ``notes`` receives what is left out.

    Raises:
        DataError: it holds images and masks, and it is not certain which images are to be used.
    """
    masks = [name for name in branch.folders if is_masks(name)]
    rest = [name for name in branch.inner if name not in masks]
    if masks and rest and all(_PHOTOS.fullmatch(name.casefold()) for name in rest):
        if len(rest) > 1:
            raise DataError(
                f"{tree.where(branch.name)}: holds {shown(masks)}, which are no photographs by their names, and "
                f"several folders of images ({shown(rest)}), so the classes are not certain; arrange the set with one "
                "folder for each class"
            )
        if fork(branch.inner[rest[0]]) and not any(branch.folders[name].count for name in masks):
            return branch  # annotations, which are no images, of class folders
        return _only(tree, branch, rest, notes, "as they hold no photographs by their names")
    stray = [name for name, folder in branch.inner.items() if _is_stray(name) and not fork(folder)]
    rest = [name for name in branch.inner if name not in stray]
    if stray and len(rest) == 1 and fork(branch.inner[rest[0]]):
        return _only(tree, branch, rest, notes, f"as only {escaped(rest[0])} holds classes")
    if unlabelled := [name for name in branch.inner if name.casefold() in NO_CLASS]:
        rest = [name for name in branch.folders if name not in unlabelled]
        return _only(tree, branch, rest, notes, "as no classes") if rest else branch
    return branch


def masks_among(tree: Tree, classes: Mapping[str, Sequence[str]]) -> list[str]:
    """A note if images of classes are masks by their names: ``1_mask.png`` next to ``1.png``."""
    found = []
    for files in classes.values():
        likely = [name for name in files if _stem(name).endswith(("_mask", "_masks", "_seg", "_gt"))]
        stems = {_stem(name) for name in files} if likely else set()
        found += [name for name in likely if _stem(name).rpartition("_")[0] in stems]
    if not found:
        return []
    return [
        f"{counted(len(found), 'image')} of the classes may be masks by their names, such as {tree.where(found[0])}; "
        "move masks away, as they are used like the others"
    ]


def _stem(name: str) -> str:
    return name.rpartition(".")[0].casefold()


def is_masks(name: str) -> bool:
    """Whether a folder's name says that its images are masks, labels or the like."""
    return bool(MASKS.fullmatch(name.casefold()))


def _is_stray(name: str) -> bool:
    return name.casefold().strip("_ -") in STRAY or is_masks(name)


def _only(tree: Tree, branch: Branch, names: list[str], notes: list[str], why: str) -> Branch:
    """The branch with these folders alone."""
    folders = {name: branch.folders[name] for name in names}
    out = [name for name in branch.inner if name not in folders] or [name for name in branch.folders if is_masks(name)]
    count = sum(branch.folders[name].count for name in out)
    places = listed([escaped(branch.name + name) for name in out[:4]] + ["others"] * (len(out) > 4), "and")
    notes.append(f"left out, {why}: {places} ({counted(count, 'image') if count else 'no images'})")
    total = len(branch.images) + sum(folder.count for folder in folders.values())
    return Branch(branch.name, branch.images, branch.files, folders, total)
