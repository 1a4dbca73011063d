"""Real images: their features and their scores, both computed once and kept in the cache."""

from __future__ import annotations

import json
import secrets
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cganzoo._util.checked import file_checksum, json_checksum, read_text
from cganzoo._util.files import UNFINISHED, make_folder_once, write_whole
from cganzoo.console.reporter import Progress
from cganzoo.data.batches import to_unit
from cganzoo.data.cache import ImageSet
from cganzoo.errors import DamageWarning, RunError
from cganzoo.extractor import Extractor
from cganzoo.metric import Evaluated

from .protocol import cache_key

CHECKSUMS = "checksums.json"
MOST_SCORES = 16 << 20  # bytes that are read of a file of scores; cganzoo writes far fewer


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
        for array in mapped.values():
            if isinstance(array, np.memmap):
                array.flush()
        checksums = {name: file_checksum(temporary / f"{name}.npy") for name in shapes}
        (temporary / CHECKSUMS).write_text(json.dumps(checksums), encoding="utf-8")

    key = {"extractor": dict(extractor.protocol()), "images": data.fingerprint, "device": device.type}
    key |= {"version": version} if version else {}
    place = folder / cache_key(key)
    try:
        make_folder_once(place, fill)
        try:
            arrays = _checked_arrays(place, shapes)
        except ValueError as error:
            warnings.warn(f"{place}: is damaged ({error}); it is made again", DamageWarning, stacklevel=2)
            _remove(place)
            make_folder_once(place, fill)
            arrays = _checked_arrays(place, shapes)
    except OSError as error:
        raise RunError(
            f"{folder}: features cannot be kept here: {error.strerror or error}; make room, or set CGANZOO_CACHE to "
            "another folder"
        ) from error
    except ValueError as error:
        raise RunError(f"{place}: is damaged ({error}); remove this folder to have it made again") from error
    return ImageFeatures(data, **arrays)


def _checked_arrays(place: Path, shapes: Mapping[str, tuple[int, int]]) -> dict[str, np.ndarray]:
    """The memory-mapped arrays of a folder; ``ValueError`` if they are damaged.

    Their checksums are compared each time they are opened, which takes half a second for each GB. A folder of cganzoo
    0.1 has none, so that only the shapes are compared.
    """
    try:
        arrays = {name: np.load(place / f"{name}.npy", mmap_mode="r") for name in shapes}
        if any(array.shape != shapes[name] or array.dtype != np.float32 for name, array in arrays.items()):
            raise ValueError("arrays of another shape or type")
        if (place / CHECKSUMS).exists():
            expected = json.loads(read_text(place / CHECKSUMS, 1 << 16))
            if expected != {name: file_checksum(place / f"{name}.npy") for name in shapes}:
                raise ValueError("a checksum is wrong")
    except FileNotFoundError as error:
        raise ValueError(f"{Path(str(error.filename)).name} is missing") from error
    except (EOFError, SyntaxError, RecursionError) as error:  # of numpy's and JSON's readers
        raise ValueError("it holds something else") from error
    return arrays


def _remove(place: Path) -> None:
    """Remove a folder; other processes see it whole or not at all."""
    aside = place.with_name(f".{place.name}-{secrets.token_hex(4)}{UNFINISHED}")
    with suppress(FileNotFoundError):  # another process was first
        place.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


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
            file = self._folder / f"{name}.json"
            with suppress(FileNotFoundError):
                try:
                    self._known[name] = _kept_scores(json.loads(read_text(file, MOST_SCORES)), key)
                except (OSError, ValueError, RecursionError) as error:
                    if isinstance(error, FileNotFoundError):
                        raise
                    text = f"{file}: is damaged ({error}); these scores of real images are computed again"
                    warnings.warn(text, DamageWarning, stacklevel=2)
        return self._known.get(name)

    def put(self, key: Mapping[str, Any], scores: dict[str, float | None]) -> None:
        """Keep ``scores`` under ``key``; both are JSON values."""
        name = cache_key(key)
        self._known[name] = scores
        if self._folder is not None:
            with suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
                entry = {"of": key, "scores": scores}
                text = json.dumps({**entry, "checksum": json_checksum(entry)}, indent=1, allow_nan=False)
                write_whole(self._folder / f"{name}.json", text)


def _kept_scores(entry: Any, key: Mapping[str, Any]) -> dict[str, float | None]:
    """The scores in a file; ``ValueError`` if they are damaged. Files of cganzoo 0.1 have no checksum."""
    if not isinstance(entry, dict) or entry.get("of") != key or not isinstance(entry.get("scores"), dict):
        raise ValueError("it holds something else")
    scores = entry["scores"]
    if not all(value is None or type(value) in (int, float) for value in scores.values()):
        raise ValueError("it holds something else")
    if entry.get("checksum", "") not in ("", json_checksum({"of": entry["of"], "scores": scores})):
        raise ValueError("its checksum is wrong")
    return dict(scores)
