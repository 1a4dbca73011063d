"""Files that may hold images and are not read, and what a message says of them."""

from __future__ import annotations

from collections.abc import Sequence

from cganzoo._util.text import escaped

from .branch import Branch, endings

PICTURES = frozenset(
    str.split(
        ".heic .heif .hif .avif .avifs .jxl .jp2 .raw .dng .cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .orf .rw2 .raf "
        ".pef .3fr .svg .eps .psd .xcf .kra .exr .hdr .jxr .wdp .heics .mp4 .mov .avi .mkv .webm .mpg .mpeg"
    )
)
"""Endings of pictures and films, which a user may expect to be used."""

PACKED = frozenset(
    str.split(
        ".parquet .arrow .feather .tfrecord .tfrecords .tfrec .h5 .hdf5 .npz .npy .mat .lmdb .mdb .pkl .pickle .pt "
        ".rec .beton .zip .tar .tgz .gz .bz2 .xz .zst .rar .7z"
    )
)
"""Endings of files that may hold many images."""

SHOWN = 6  # endings


def unread(folder: Branch) -> str:
    """What a folder without images holds that may be images, and what to do; empty if there is nothing."""
    found = sorted(endings([name for below in folder.walk() for name in below.files]).items())
    if pictures := [(ending, count) for ending, count in found if ending in PICTURES]:
        return f"holds no image of a format that is read, but {by_ending(pictures)}; convert these to PNG or JPEG"
    if packed := [(ending, count) for ending, count in found if ending in PACKED]:
        return f"holds no image files, but {by_ending(packed)}, which are not read; unpack them to image files"
    return ""


def by_ending(counts: Sequence[tuple[str, int]]) -> str:
    """``2 .heic, 1 .txt``."""
    shown = [f"{count:,} {escaped(ending)[:20] or 'without ending'}" for ending, count in counts[:SHOWN]]
    rest = sum(count for _, count in counts[SHOWN:])
    return ", ".join([*shown, *([f"{rest:,} others"] if rest else [])])
