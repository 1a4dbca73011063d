"""The file of ``cganzoo export``: weights as safetensors, with what they are and a checksum of everything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from cganzoo._util.checked import load_safetensors
from cganzoo._util.install import install_command
from cganzoo.errors import RunError

METADATA_KEY = "cganzoo"  # one key only: safetensors writes several in no fixed order
FORMAT = 1


@dataclass(frozen=True)
class Origin:
    """What is stored with the weights.

    Attributes:
        recipe: the resolved recipe, as TOML.
        distribution: the plugin that provides the generator.
        class_names: the K classes.
        channels: channels of an image.
        step: generator steps trained.
        provenance: the run's versions, seed and recipe digest.
    """

    recipe: str
    distribution: str
    class_names: tuple[str, ...]
    channels: int
    step: int
    provenance: dict[str, Any]


class _Entry(BaseModel):
    """The JSON values in the file. Files of cganzoo 0.1 have no ``checksum``."""

    model_config = ConfigDict(strict=True, extra="allow")

    format: int = Field(ge=1)
    recipe: str
    distribution: str = Field(min_length=1)
    class_names: list[str] = Field(min_length=1)
    channels: int = Field(ge=1, le=3)
    step: int = Field(ge=0)
    provenance: dict[str, Any]
    checksum: str = ""


def pack(origin: Origin, weights: Mapping[str, Tensor]) -> bytes:
    """The content of a file; the same bytes for the same weights and origin."""
    kept = {name: tensor.cpu().contiguous() for name, tensor in weights.items()}
    entry = {"format": FORMAT, **asdict(origin)}
    entry["checksum"] = _checksum(entry, kept)
    return safetensors.torch.save(kept, metadata={METADATA_KEY: json.dumps(entry, sort_keys=True)})


def read(path: Path) -> tuple[Origin, dict[str, Tensor]]:
    """Origin and weights of a file, on the CPU. Nothing in the file is executed.

    Raises:
        RunError: the file is missing, damaged or of a newer version, or ``cganzoo export`` did not write it.
    """
    try:
        metadata, weights = load_safetensors(path)
        entry = json.loads(metadata[METADATA_KEY])
        if isinstance(entry, dict) and type(entry.get("format")) is int and entry["format"] > FORMAT:
            raise RunError(f"{path}: was written by a newer cganzoo; upgrade: {install_command('-U cganzoo')}")
        checked = _Entry.model_validate(entry)
        if checked.channels == 2:
            raise ValueError("channels: must be 1 or 3")
        if checked.checksum and checked.checksum != _checksum(entry, weights):
            raise ValueError("its checksum is wrong")
    except FileNotFoundError as error:
        raise RunError(f"{path}: no such file") from error
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: is damaged, or `cganzoo export` did not write it{_reason(error)}") from error
    values = {field.name: getattr(checked, field.name) for field in fields(Origin)}
    return Origin(**{**values, "class_names": tuple(checked.class_names)}), weights


def _checksum(entry: Mapping[str, Any], weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of the values in a file, without the checksum, and of its tensors."""
    described = {name: value for name, value in entry.items() if name != "checksum"}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f" ({'.'.join(map(str, first['loc'][:1])) or 'cganzoo'}: {first['msg']})"
    return f" ({error})" if type(error) is ValueError else ""
