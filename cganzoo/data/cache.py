"""Packing: a data set is decoded once into a memory-mapped uint8 array, which every run reads.

A packed set is a folder whose name is a hash of its source's fingerprint and the settings, so a stale one is never
read. It is complete or does not exist, and of several processes that want it one packs it: see
:func:`cganzoo._util.files.make_folder_once`. What it holds is verified: see :mod:`cganzoo.data.packed_files`.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs

from cganzoo._util.files import UNFINISHED, lock, make_folder_once
from cganzoo._util.text import escaped
from cganzoo.console.reporter import Progress
from cganzoo.errors import DataError

from .packed_files import (
    DamagedError,
    Meta,
    StoredSplit,
    read_labels,
    read_meta,
    verify_pixels,
    write_meta,
    write_stamp,
)
from .pixels import RESIZE
from .source import ImageSource

CHUNK = 128  # images that a thread decodes at a time
CHUNK_BYTES = 4 << 20  # upper limit of a chunk's decoded pixels

FORMAT = 3
"""Version of a packed set's files; part of its name. Increase it when packing changes pixels or files."""


@dataclass(frozen=True)
class ImageSet:
    """One split of a packed set.

    Attributes:
        images: (N, C, H, W) uint8, memory-mapped.
        labels: (N,) int64.
        class_names: the K classes.
        split: ``"train"`` or ``"test"``.
        fingerprint: hash of the pixels and labels.
        skipped: a message for each image of the whole set that could not be read.
        left_out: number of this split's images that the set's options leave out.
        layout: how the whole set's files were found, in one line; may be empty.
        notes: what a user must know of the whole set before training, one message each.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    split: str
    fingerprint: str
    skipped: tuple[str, ...] = ()
    left_out: int = 0
    layout: str = ""
    notes: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_names)


def cache_folder() -> Path:
    """The folder of packed sets and trained extractors: ``CGANZOO_CACHE``, or the user's cache folder."""
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
    verifying: Progress | None = None,
    say: Callable[[str], object] | None = None,
) -> dict[str, ImageSet]:
    """The splits of ``source`` at one size, packed now if they are not in the cache, or are damaged there.

    Args:
        progress: called with the number of packed images and of all images.
        verifying: called with the number of verified bytes and of all bytes, if that takes long.
        say: called with a message if damaged images are packed again.

    Raises:
        DataError: an image cannot be read and is not skipped, a split or a class has no readable image, or the cache
            cannot be read or written.
    """
    content = (source.fingerprint(), source.skip_unreadable(), image_size, channels, RESIZE, FORMAT)
    key = hashlib.sha256(repr(content).encode()).hexdigest()[:16]
    place = (folder or cache_folder()) / "datasets" / f"{name}-{image_size}px-{key}"
    there = place.is_dir()
    _make(place, source, image_size, channels, progress)
    try:
        return _read(place, (channels, image_size, image_size), verify=there, progress=verifying)
    except DamagedError as damage:
        if say:
            say(f"{place}: the packed images are damaged ({damage}); they are packed again")
        _remove_damaged(place, (channels, image_size, image_size), damage)
    _make(place, source, image_size, channels, progress)
    try:
        return _read(place, (channels, image_size, image_size), verify=False)
    except DamagedError as damage:
        raise DataError(
            f"{place}: the packed images are damaged right after they were packed ({damage}); check the disk, or set "
            "CGANZOO_CACHE to another folder"
        ) from damage


def _make(place: Path, source: ImageSource, image_size: int, channels: int, progress: Progress | None) -> None:
    try:
        make_folder_once(place, lambda folder: _pack(source, folder, image_size, channels, progress))
    except OSError as error:
        raise DataError(
            f"{place.parent}: packed images cannot be written here: {error.strerror or error}; "
            "make room, or set CGANZOO_CACHE to another folder"
        ) from error


def _remove_damaged(place: Path, shape: tuple[int, int, int], damage: DamagedError) -> None:
    """Remove a damaged set, unless another process has done so and has packed it again."""
    with lock(place):
        try:
            _read(place, shape, verify=True)
        except DamagedError:
            old = place.with_name(f".{place.name}-{secrets.token_hex(4)}{UNFINISHED}")
            try:
                place.rename(old)  # at once, so that no process sees a part of it
            except FileNotFoundError:
                return
            except OSError as error:
                raise DataError(
                    f"{place}: the packed images are damaged ({damage}), and cannot be removed ({error.strerror}); "
                    "remove this folder, or set CGANZOO_CACHE to another one"
                ) from error
            shutil.rmtree(old, ignore_errors=True)


def _read(
    place: Path, shape: tuple[int, int, int], *, verify: bool, progress: Progress | None = None
) -> dict[str, ImageSet]:
    meta = read_meta(place)
    if tuple(meta.shape) != shape:
        raise DamagedError("meta.json is that of another size")
    names, skipped, notes = tuple(meta.class_names), tuple(meta.skipped), tuple(meta.notes)
    if verify:
        verify_pixels(place, meta, progress)
    sets = {}
    for split, stored in meta.splits.items():
        labels = read_labels(place, split, stored, len(names))
        try:
            images = np.memmap(place / f"{split}.images", np.uint8, "r", shape=(stored.count, *shape))
        except (OSError, ValueError) as error:
            raise DamagedError(f"{split}.images cannot be read ({error})") from error
        sets[split] = ImageSet(
            images, labels, names, split, stored.fingerprint, skipped, stored.left_out, meta.layout, notes
        )
    return sets


def _pack(source: ImageSource, folder: Path, image_size: int, channels: int, progress: Progress | None) -> None:
    labels, shape = source.labels(), (channels, image_size, image_size)
    if unwritable := [name for name in source.class_names if name != name.encode(errors="ignore").decode()]:
        raise DataError(f'the class\'s name "{escaped(unwritable[0])}" is not UTF-8; rename the class')
    total, done = sum(len(part) for part in labels.values()), 0
    splits: dict[str, StoredSplit] = {}
    skipped: list[str] = []
    for split, split_labels in labels.items():
        digest, kept, left_out, read = hashlib.sha256(), list[int](), 0, 0
        with (folder / f"{split}.images").open("wb") as file:
            for chunk in _chunks(source, split, len(split_labels), image_size, channels):
                images: list[np.ndarray] = []
                for index, image in enumerate(chunk, read):
                    if isinstance(image, np.ndarray):
                        images.append(image)
                        kept.append(index)
                    elif image is None:
                        left_out += 1
                    elif source.skip_unreadable():
                        skipped.append(str(image))
                    else:
                        raise image
                pixels = np.array(images, np.uint8).reshape(len(images), *shape).data
                file.write(pixels)
                digest.update(pixels)
                read += len(chunk)
                if progress:
                    progress(done + read, total)
        done += read
        packed_labels = split_labels[kept].astype(np.int64)
        _check_classes(split, packed_labels, source.class_names, skipped)
        packed_labels.tofile(folder / f"{split}.labels")
        pixels_only = digest.hexdigest()
        digest.update(packed_labels.tobytes())
        splits[split] = StoredSplit(
            count=len(kept),
            left_out=left_out,
            fingerprint=digest.hexdigest()[:16],
            images=pixels_only,
            labels=hashlib.sha256(packed_labels.tobytes()).hexdigest(),
        )
    meta = Meta(
        shape=list(shape),
        class_names=list(source.class_names),
        splits=splits,
        skipped=list(map(escaped, skipped)),
        layout=escaped(source.layout()),
        notes=list(map(escaped, source.notes())),
    )
    write_meta(folder, meta)
    write_stamp(folder, [f"{split}.images" for split in splits])


def _chunks(
    source: ImageSource, split: str, count: int, size: int, channels: int
) -> Iterator[list[np.ndarray | DataError | None]]:
    """All images of a split in order, decoded by one thread for each core; few chunks are in memory at a time."""
    length = max(1, min(CHUNK, CHUNK_BYTES // (channels * size * size)))
    workers = os.cpu_count() or 1
    waiting: deque[Future[list[np.ndarray | DataError | None]]] = deque()

    def decode(indices: range) -> list[np.ndarray | DataError | None]:
        # Strict: an image too few or too many would give every later one another's label.
        return [image for _, image in zip(indices, source.pixels_of(split, indices, size, channels), strict=True)]

    with ThreadPoolExecutor(workers) as pool:
        try:
            for start in range(0, count, length):
                waiting.append(pool.submit(decode, range(start, min(start + length, count))))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _check_classes(split: str, labels: np.ndarray, class_names: tuple[str, ...], skipped: list[str]) -> None:
    """Every class needs a training image; the test split needs an image of any class."""
    present = set(labels.tolist())
    missing = [name for label, name in enumerate(class_names) if label not in present]
    if not present or (split == "train" and missing):
        what = f'class "{missing[0]}" has no readable image' if present else "there is no readable image"
        first = f"; the first unreadable one: {skipped[0]}" if skipped else ""
        raise DataError(f"{split} split: {what}{first}")
