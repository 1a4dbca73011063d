"""Folders that hold images by their numbers, a thousand in each, as StyleGAN and FFHQ store them: no classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cganzoo.data.tree import Tree
from cganzoo.errors import DataError

from .folders import shown

SIZE = 1000  # images in a bucket

_BUCKET = re.compile("[0-9]{5}")
_NUMBER = re.compile(r"(?:img|seed)?([0-9]{1,9})\.\w+")


def check_buckets(tree: Tree, place: str, classes: Mapping[str, Sequence[str]], notes: list[str]) -> None:
    """Refuse classes that are buckets, by the numbers of their images; note those that are by their names alone."""
    if len(classes) < 2 or not all(map(_BUCKET.fullmatch, classes)):
        return
    remedy = (
        'add the dataset.json, or one with {"labels": null} to have one class; if they are classes, set data.labels = '
        '"folders"'
    )
    for unit in (1, SIZE):  # StyleGAN's second folder is 00001, that of FFHQ is 01000
        if all(_holds(int(name), unit, files) for name, files in classes.items()):
            raise DataError(
                f"{tree.where(place)}: its folders ({shown(list(classes))}) hold images by their numbers, {SIZE:,} in "
                f"each, as StyleGAN and FFHQ store them, so they are no classes; {remedy}"
            )
    if not any(int(name) % SIZE for name in classes):
        notes.append(
            f"the classes ({shown(list(classes))}) have names like folders of {SIZE:,} images each, as StyleGAN and "
            f"FFHQ store them; {remedy}"
        )


def _holds(bucket: int, unit: int, files: Sequence[str]) -> bool:
    """Whether all images have numbers of this bucket; ``unit``: what buckets' names count up by."""
    return all(
        (match := _NUMBER.fullmatch(file.rpartition("/")[2])) is not None and int(match[1]) // SIZE * unit == bucket
        for file in files
    )
