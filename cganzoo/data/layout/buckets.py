"""Folders that hold images by their numbers, as StyleGAN, FFHQ and img2dataset store them: no classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cganzoo.data.tree import Tree
from cganzoo.errors import DataError

from .folders import shown

STEPS = ((1000, 1), (1000, 1000), (10_000, 1))
"""Images in a folder, and from one folder's number to the next, of StyleGAN, FFHQ and img2dataset."""

_BUCKET = re.compile("[0-9]{5}")
_NUMBER = re.compile(r"(?:img|seed)?([0-9]{1,9})\.\w+")


def check_buckets(tree: Tree, place: str, classes: Mapping[str, Sequence[str]], notes: list[str]) -> None:
    """Refuse classes that are buckets, by the numbers of their images; note those that are by their names alone."""
    if len(classes) < 2 or not all(map(_BUCKET.fullmatch, classes)):
        return
    remedy = (
        'add its dataset.json, or one with {"labels": null} to have one class; if they are classes, set data.labels = '
        '"folders"'
    )
    for size, step in STEPS:
        if all(_holds(int(name), size, step, files) for name, files in classes.items()):
            raise DataError(
                f"{tree.where(place)}: its folders ({shown(list(classes))}) hold images by their numbers, {size:,} in "
                f"each, as StyleGAN, FFHQ and img2dataset store them, so they are no classes; {remedy}"
            )
    if not any(int(name) % 1000 for name in classes):
        notes.append(
            f"the classes ({shown(list(classes))}) have names like folders of 1,000 images each, as FFHQ stores them; "
            f"{remedy}"
        )


def _holds(bucket: int, size: int, step: int, files: Sequence[str]) -> bool:
    """Whether all images have numbers of this folder."""
    return all(
        (match := _NUMBER.fullmatch(file.rpartition("/")[2])) is not None and int(match[1]) // size * step == bucket
        for file in files
    )
