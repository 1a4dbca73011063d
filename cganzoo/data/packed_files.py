"""The files of a packed set: what they must hold, their checksums, and how often these are verified."""

from __future__ import annotations

import errno
import hashlib
import json
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from cganzoo._util.files import write_whole
from cganzoo.console.reporter import Progress
from cganzoo.errors import DataError

VERIFIED_ALWAYS = 2 << 30
"""Bytes of a split up to which its pixels are verified at every start: 2 GiB take about two seconds."""

VERIFIED_EVERY = 7 * 24 * 60 * 60
"""Seconds between two verifications of a larger split whose files' sizes and times are unchanged."""

META, STAMP = "meta.json", "verified.json"
BLOCK = 1 << 20  # bytes read at a time


class DamagedError(Exception):
    """A file of a packed set is missing, or is not what was written; the message begins with its name."""


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StoredSplit(_Stored):
    """What ``meta.json`` holds of a split: counts, and the checksums (SHA-256) of its two files."""

    count: int = Field(ge=0)
    left_out: int = Field(ge=0)
    fingerprint: str
    images: str
    labels: str


class Meta(_Stored):
    """The content of ``meta.json``."""

    shape: list[int] = Field(min_length=3, max_length=3)
    class_names: list[str] = Field(min_length=1)
    splits: dict[str, StoredSplit]
    skipped: list[str]
    layout: str
    notes: list[str]


def write_meta(folder: Path, meta: Meta) -> None:
    """Write ``meta.json`` with a checksum of itself."""
    values = meta.model_dump()
    text = json.dumps({**values, "checksum": _checksum(values)}, indent=1)
    (folder / META).write_text(text, encoding="utf-8")


def read_meta(folder: Path) -> Meta:
    """What ``meta.json`` holds.

    Raises:
        DamagedError: it is missing, or is not as :func:`write_meta` wrote it.
    """
    try:
        values = json.loads(_content(folder / META))
        checksum = values.pop("checksum")
        meta = Meta.model_validate(values)
    except (OSError, ValueError, RecursionError, AttributeError, KeyError, TypeError) as error:
        raise _damaged(folder / META, error) from error
    if checksum != _checksum(values):
        raise DamagedError(f"{META} does not match its checksum")
    if "train" not in meta.splits:
        raise DamagedError(f'{META} holds no split "train"')
    return meta


def _content(file: Path) -> bytes:
    """The bytes of a file; a FIFO is refused, as reading one may wait for ever."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no file but a FIFO, a device or a folder")
    return file.read_bytes()


def _checksum(values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _damaged(file: Path, error: Exception) -> Exception:
    if isinstance(error, PermissionError):  # the file may be good
        return DataError(f"{file}: cannot be read: {error.strerror}; change its permissions, or set CGANZOO_CACHE")
    if isinstance(error, FileNotFoundError):
        return DamagedError(f"{file.name} is missing")
    reason = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else "has another form"
    return DamagedError(f"{file.name} {reason}")


def read_labels(folder: Path, split: str, stored: StoredSplit, classes: int) -> np.ndarray:
    """The labels (N,) int64 of a split, verified."""
    name = f"{split}.labels"
    try:
        data = _content(folder / name)
    except OSError as error:
        raise _damaged(folder / name, error) from error
    if hashlib.sha256(data).hexdigest() != stored.labels or len(data) != 8 * stored.count:
        raise DamagedError(f"{name} does not match its checksum")
    labels: np.ndarray = np.frombuffer(data, np.int64).copy()
    if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
        raise DamagedError(f"{name} holds a label that is none of the classes")
    return labels


def verify_pixels(folder: Path, meta: Meta, progress: Progress | None = None) -> None:
    """Verify the pixels of all splits, as far as it is time to; sizes always.

    Raises:
        DamagedError: a file is not what was written.
    """
    stamp, now = _read_stamp(folder), time.time()
    due = dict[str, str]()
    for split, stored in meta.splits.items():
        name = f"{split}.images"
        try:
            status = (folder / name).stat()
        except OSError as error:
            raise _damaged(folder / name, error) from error
        if not stat.S_ISREG(status.st_mode) or status.st_size != stored.count * int(np.prod(meta.shape)):
            raise DamagedError(f"{name} has {status.st_size:,} bytes, not those of {stored.count:,} images")
        last = stamp.get(name)
        known = last is not None and last[:2] == [status.st_size, status.st_mtime_ns]
        recent = last is not None and 0 <= now - last[2] < VERIFIED_EVERY
        if status.st_size <= VERIFIED_ALWAYS or not (known and recent):
            due[name] = stored.images
    total, done = sum((folder / name).stat().st_size for name in due), 0
    for name, expected in due.items():
        digest = hashlib.sha256()
        try:
            with (folder / name).open("rb") as file:
                while block := file.read(BLOCK):
                    digest.update(block)
                    done += len(block)
                    if progress and total > VERIFIED_ALWAYS:
                        progress(done, total)
        except OSError as error:
            raise _damaged(folder / name, error) from error
        if digest.hexdigest() != expected:
            raise DamagedError(f"{name} does not match its checksum")
    if any((folder / name).stat().st_size > VERIFIED_ALWAYS for name in due):
        write_stamp(folder, [f"{split}.images" for split in meta.splits])


def write_stamp(folder: Path, names: Iterable[str]) -> None:
    """Keep that these files were verified now. A cache that may not be written is verified at every start."""
    with suppress(OSError):
        statuses = {name: (folder / name).stat() for name in names}
        values = {name: [status.st_size, status.st_mtime_ns, int(time.time())] for name, status in statuses.items()}
        write_whole(folder / STAMP, json.dumps(values))


class _Stamp(BaseModel):
    files: dict[str, list[int]]


def _read_stamp(folder: Path) -> dict[str, list[int]]:
    try:
        values = json.loads(_content(folder / STAMP))
        files = _Stamp(files=values).files
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: last for name, last in files.items() if len(last) == 3}
