"""What ``cganzoo sample`` writes: the name of a picture, or a folder of single images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from cganzoo._util.files import names_in
from cganzoo.data.batches import to_pixels
from cganzoo.errors import RunError
from cganzoo.images.grids import LONGEST_NAME

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
"""Endings of the picture of a grid."""

OTHER_PICTURES = (
    *(".apng", ".avif", ".bmp", ".eps", ".gif", ".heic", ".heif", ".ico", ".jfif", ".jp2"),
    *(".jxl", ".pbm", ".pdf", ".pgm", ".ppm", ".psd", ".svg", ".tga", ".tif", ".tiff"),
)
"""Endings that a user may expect to work, so that they are no names of folders."""

NUMBERED = re.compile(r"\d{5,}(-.*)?\.png")
"""Name of a single image."""


def is_picture(out: Path) -> bool:
    """Whether ``out`` is the name of a picture, else of a folder; an error if nothing can be written there."""
    ending = out.suffix.lower()
    if ending in PICTURES:
        return True
    if ending in OTHER_PICTURES:
        raise RunError(f"--out {out}: pictures end in {', '.join(PICTURES)}; write one of these, or name a folder")
    try:
        before = sorted(name for name in names_in(out) if NUMBERED.fullmatch(name)) if out.is_dir() else []
    except OSError as error:
        raise RunError(f"--out {out}: cannot be read ({error.strerror or error}); name another folder") from error
    if before:
        raise RunError(f"--out {out}: has images of an earlier call, like {before[0]}; name another folder")
    return False


def write_folder(images: Tensor, names: Sequence[str], out: Path) -> Path:
    """Single PNG files, numbered; the name of the class, if given, is part of the file name."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for index, pixels in enumerate(to_pixels(images).permute(0, 2, 3, 1).squeeze(-1).numpy()):
            name = names[index][:LONGEST_NAME] if names else ""
            safe = "".join(character if character.isalnum() else "_" for character in name)
            Image.fromarray(pixels).save(out / f"{index:05d}{safe and '-' + safe}.png")
    except OSError as error:
        raise RunError(
            f"--out {out}: cannot be written ({error.strerror or error}); name a folder, or a picture ending in .png"
        ) from error
    return out
