"""Real images with what an extractor saw in them: computed once, kept in the cache, read from there."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cganzoo._util.files import alone, move_folder
from cganzoo.data.batches import to_unit
from cganzoo.data.cache import ImageSet
from cganzoo.errors import RunError
from cganzoo.extractor import Extractor
from cganzoo.metric import Evaluated

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


@contextmanager
def full_precision() -> Iterator[None]:
    """Convolutions and products in float32 on a GPU, too, not in TF32: a score must not depend on the device."""
    switches: tuple[Any, Any] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = False
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value


class Seen:
    """An image set, its features and its logits.

    Args:
        data: the images.
        features: (N, D) float32, in memory or memory-mapped.
        logits: (N, K) float32, likewise.
    """

    def __init__(self, data: ImageSet, features: np.ndarray, logits: np.ndarray) -> None:
        self.data, self.features, self.logits = data, features, logits

    def batches(self, size: int, device: torch.device, indices: np.ndarray | None = None) -> Iterator[Evaluated]:
        """All images, or those at ``indices``, in batches of up to ``size``."""
        order = np.arange(len(self.data.labels)) if indices is None else indices
        for start in range(0, len(order), size):
            part = order[start : start + size]
            labels, features, logits = (
                torch.from_numpy(array[part]).to(device) for array in (self.data.labels, self.features, self.logits)
            )
            yield Evaluated(lambda part=part: self.images(part).to(device), labels, features, logits)  # type: ignore[misc]

    def images(self, indices: np.ndarray) -> Tensor:
        """Images (N, C, H, W) in [-1, 1], on the CPU."""
        return to_unit(torch.from_numpy(np.ascontiguousarray(self.data.images[indices])))

    def recall(self, positions: Tensor) -> Tensor:
        """See :data:`cganzoo.metric.Recall`."""
        return self.images(positions.cpu().numpy())


def see(
    extractor: Extractor,
    data: ImageSet,
    *,
    device: torch.device,
    batch_size: int,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Seen:
    """Look at a whole set through an extractor, or read from ``folder`` what an earlier look gave.

    Memory is one batch: features and logits go to a memory-mapped file as they come. Without a folder they are kept in
    memory.

    Args:
        extractor: on ``device``.
        data: the images.
        device: where the extractor works.
        batch_size: images at a time.
        folder: where features are kept, one folder for each extractor and set.
        progress: told how many images have been looked at, if any have to be.

    Raises:
        RunError: the folder cannot be written.
    """
    if folder is None:
        seen = _arrays(extractor, data, None)
        _look(extractor, data, seen, device, batch_size, progress)
        return Seen(data, *seen)
    identity = {"extractor": dict(extractor.protocol()), "images": data.fingerprint, "device": device.type}
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    place = folder / key
    try:
        if not place.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            with alone(place) as locked:
                if not place.is_dir():  # another process may have looked meanwhile
                    if locked:  # then whatever is left here was left by a process that was killed
                        for leftover in folder.glob(f".{key}-*"):
                            shutil.rmtree(leftover, ignore_errors=True)
                    beside = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=folder))
                    try:
                        seen = _arrays(extractor, data, beside)
                        _look(extractor, data, seen, device, batch_size, progress)
                        del seen
                        move_folder(beside, place)
                    finally:
                        shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise RunError(
            f"{folder}: features cannot be kept here: {error.strerror or error}; make room, or set CGANZOO_CACHE to "
            "another folder"
        ) from error
    try:
        features, logits = (np.load(place / f"{name}.npy", mmap_mode="r") for name in ("features", "logits"))
        if not len(features) == len(logits) == len(data.labels):
            raise ValueError("another number of images")
    except (OSError, ValueError) as error:
        raise RunError(f"{place}: is damaged ({error}); remove this folder to have it made again") from error
    return Seen(data, features, logits)


def _arrays(extractor: Extractor, data: ImageSet, place: Path | None) -> tuple[np.ndarray, np.ndarray]:
    made = []
    for name, width in (("features", extractor.feature_dim), ("logits", extractor.num_classes)):
        shape = (len(data.labels), width)
        if place is None or 0 in shape:  # nothing to map
            array = np.empty(shape, np.float32)
            if place is not None:
                np.save(place / f"{name}.npy", array)
        else:
            array = np.lib.format.open_memmap(place / f"{name}.npy", "w+", np.float32, shape)
        made.append(array)
    return made[0], made[1]


def _look(
    extractor: Extractor,
    data: ImageSet,
    into: tuple[np.ndarray, np.ndarray],
    device: torch.device,
    batch_size: int,
    progress: Progress | None,
) -> None:
    features, logits = into
    total = len(data.labels)
    with torch.inference_mode():
        for start in range(0, total, batch_size):
            part = slice(start, min(start + batch_size, total))
            images = to_unit(torch.from_numpy(np.array(data.images[part])).to(device))
            with full_precision():
                seen = extractor(images)
            features[part] = seen[0].float().cpu().numpy()
            logits[part] = seen[1].float().cpu().numpy()
            if progress:
                progress(part.stop, total)
