"""Real images: their features and their scores, both computed once and kept in the cache."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cganzoo._util.files import make_folder_once, write_whole
from cganzoo.console.reporter import Progress
from cganzoo.data.batches import to_unit
from cganzoo.data.cache import ImageSet
from cganzoo.errors import RunError
from cganzoo.extractor import Extractor
from cganzoo.metric import Evaluated

from .protocol import cache_key


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute convolutions and products in float32 instead of TF32, so that a score does not depend on the GPU."""
    switches: tuple[Any, Any] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = False
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value


class ImageFeatures:
    """N images with their features (N, D) and logits (N, K), float32, in memory or memory-mapped."""

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
            positions = torch.from_numpy(part)
            yield Evaluated(lambda at=positions: self.recall(at).to(device), labels, features, logits)  # type: ignore[misc]

    def recall(self, positions: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1], on the CPU; see :data:`cganzoo.metric.Recall`."""
        return to_unit(torch.from_numpy(np.ascontiguousarray(self.data.images[positions.cpu().numpy()])))


def compute_features(
    extractor: Extractor,
    data: ImageSet,
    *,
    device: torch.device,
    batch_size: int,
    folder: Path | None,
    progress: Progress,
    version: str = "",
) -> ImageFeatures:
    """The features of a whole set, computed now or by an earlier call. Needs the memory of one batch.

    ``folder`` has a folder of memory-mapped files for each extractor and set; without it, the arrays are in memory.
    ``version`` identifies the code of an extractor that is not the host's: another version computes them again.
    """
    count = len(data.labels)
    shapes = {"features": (count, extractor.feature_dim), "logits": (count, extractor.num_classes)}

    def compute(arrays: dict[str, np.ndarray]) -> None:
        for start in range(0, count, batch_size):
            part = slice(start, min(start + batch_size, count))
            images = to_unit(torch.from_numpy(np.array(data.images[part])).to(device))
            with torch.inference_mode(), full_precision():
                features, logits = extractor(images)
            arrays["features"][part] = features.float().cpu().numpy()
            arrays["logits"][part] = logits.float().cpu().numpy()
            progress(part.stop, count)

    if folder is None:
        arrays = {name: np.empty(shape, np.float32) for name, shape in shapes.items()}
        compute(arrays)
        return ImageFeatures(data, **arrays)

    def fill(temporary: Path) -> None:
        mapped = {}
        for name, shape in shapes.items():
            if 0 in shape:  # cannot be mapped
                mapped[name] = np.empty(shape, np.float32)
                np.save(temporary / f"{name}.npy", mapped[name])
            else:
                mapped[name] = np.lib.format.open_memmap(temporary / f"{name}.npy", "w+", np.float32, shape)
        compute(mapped)

    key = {"extractor": dict(extractor.protocol()), "images": data.fingerprint, "device": device.type}
    key |= {"version": version} if version else {}
    place = folder / cache_key(key)
    try:
        make_folder_once(place, fill)
    except OSError as error:
        raise RunError(
            f"{folder}: features cannot be kept here: {error.strerror or error}; make room, or set CGANZOO_CACHE to "
            "another folder"
        ) from error
    try:
        arrays = {name: np.load(place / f"{name}.npy", mmap_mode="r") for name in shapes}
        if any(array.shape != shapes[name] for name, array in arrays.items()):
            raise ValueError("arrays of another shape")
    except (OSError, ValueError) as error:
        raise RunError(f"{place}: is damaged ({error}); remove this folder to have it made again") from error
    return ImageFeatures(data, **arrays)


class ScoreCache:
    """Scores of real images by what they depend on: in memory, and as small JSON files in ``folder`` if there is one.

    An entry that cannot be read or written is computed again.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[str, dict[str, float | None]] = {}

    def get(self, key: Mapping[str, Any]) -> dict[str, float | None] | None:
        """The scores under ``key``, or ``None``."""
        name = cache_key(key)
        if name not in self._known and self._folder is not None:
            with suppress(OSError, ValueError, KeyError):
                kept = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
                if kept["of"] == key:
                    self._known[name] = kept["scores"]
        return self._known.get(name)

    def put(self, key: Mapping[str, Any], scores: dict[str, float | None]) -> None:
        """Keep ``scores`` under ``key``; both are JSON values."""
        name = cache_key(key)
        self._known[name] = scores
        if self._folder is not None:
            with suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
                text = json.dumps({"of": key, "scores": scores}, indent=1, allow_nan=False)
                write_whole(self._folder / f"{name}.json", text)
