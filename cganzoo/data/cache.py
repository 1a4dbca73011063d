"""Packing: decode a data set once into a memory-mapped uint8 array that every run reads from.

A packed set is a folder named by what it holds (source fingerprint and settings), so a stale one is never read. It
is written beside its place and renamed, so a half-written one is never read either, and two processes that pack the
same set at once end with the same folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs

from ..errors import DataError
from .pixels import RESIZE, square
from .source import ImageSource

Progress = Callable[[int, int], None]
"""Called with (done, total)."""

CHUNK = 1024  # images in memory at a time while packing


@dataclass(frozen=True)
class ImageSet:
    """One split of a packed set.

    Attributes:
        images: (N, C, H, W) uint8, memory-mapped.
        labels: (N,) int64.
        class_names: the K classes.
        split: ``"train"`` or ``"test"``.
        fingerprint: hash of the pixels and labels.
        skipped: a sentence for each image of the whole set that could not be read and was left out.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    split: str
    fingerprint: str
    skipped: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_names)


def cache_folder() -> Path:
    """Where packed sets and trained extractors are kept: ``CGANZOO_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("CGANZOO_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("cganzoo"))


def packed(
    source: ImageSource,
    *,
    name: str,
    image_size: int,
    channels: int,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, ImageSet]:
    """The splits of ``source`` at one size, packed now if they are not in the cache yet.

    Raises:
        DataError: an image cannot be read and is not to be skipped, or the cache cannot be written.
    """
    key = hashlib.sha256(repr((source.fingerprint(), image_size, channels, RESIZE, 1)).encode()).hexdigest()[:16]
    place = (folder or cache_folder()) / "datasets" / f"{name}-{image_size}px-{key}"
    if not (place / "meta.json").is_file():
        _pack(source, place, image_size, channels, progress)
    return _read(place)


def _read(place: Path) -> dict[str, ImageSet]:
    meta = json.loads((place / "meta.json").read_text(encoding="utf-8"))
    sets = {}
    for split, entry in meta["splits"].items():
        labels = np.fromfile(place / f"{split}.labels", np.int64)
        shape = (len(labels), *meta["shape"])
        file = place / f"{split}.images"
        if len(labels) != entry["count"] or file.stat().st_size != int(np.prod(shape)):
            raise DataError(f"{place}: the packed images are damaged; remove this folder to have them packed again")
        images = np.memmap(file, np.uint8, "r", shape=shape)
        sets[split] = ImageSet(
            images, labels, tuple(meta["class_names"]), split, entry["fingerprint"], tuple(meta["skipped"])
        )
    return sets


def _pack(source: ImageSource, place: Path, image_size: int, channels: int, progress: Progress | None) -> None:
    labels = source.labels()
    total, done = sum(len(part) for part in labels.values()), 0
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    except OSError as error:
        raise DataError(f"{place.parent}: the cache cannot be written ({error.strerror}); set CGANZOO_CACHE") from error
    try:
        splits: dict[str, dict[str, object]] = {}
        skipped: list[str] = []
        for split, split_labels in labels.items():
            digest, kept = hashlib.sha256(), []
            with (beside / f"{split}.images").open("wb") as file:
                for index, image in _decoded(source, split, len(split_labels), image_size, channels):
                    if isinstance(image, DataError):
                        skipped.append(str(image))
                    else:
                        pixels = image.tobytes()
                        file.write(pixels)
                        digest.update(pixels)
                        kept.append(index)
                    done += 1
                    if progress and (done % 256 == 0 or done == total):
                        progress(done, total)
            if not kept:
                raise DataError(f"not one image of the {split} split can be read; the first: {skipped[0]}")
            packed_labels = split_labels[kept].astype(np.int64)
            packed_labels.tofile(beside / f"{split}.labels")
            digest.update(packed_labels.tobytes())
            splits[split] = {"count": len(kept), "fingerprint": digest.hexdigest()[:16]}
        meta = {
            "shape": [channels, image_size, image_size],
            "class_names": source.class_names,
            "splits": splits,
            "skipped": skipped,
        }
        (beside / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")
        _move(beside, place)
    except OSError as error:
        raise DataError(f"{place}: packing the images failed: {error.strerror or error}; set CGANZOO_CACHE") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _move(beside: Path, place: Path) -> None:
    try:
        beside.rename(place)
    except OSError:
        # Another process was first; its folder holds the same pixels, as the name says.
        if not (place / "meta.json").is_file():
            raise


def _decoded(
    source: ImageSource, split: str, count: int, size: int, channels: int
) -> Iterator[tuple[int, np.ndarray | DataError]]:
    """Images of a split in order, or the error of one that is to be skipped."""

    def decode(index: int) -> np.ndarray | DataError:
        try:
            return square(source.read(split, index), size, channels)
        except DataError as error:
            if not source.skip_unreadable():
                raise
            return error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, count, CHUNK):
            part = range(start, min(start + CHUNK, count))
            yield from zip(part, pool.map(decode, part), strict=True)

