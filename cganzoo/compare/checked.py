"""What a run folder's own files say, checked: whoever reads them further on need not fear a wrong type. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cganzoo._util.toml import tomllib
from cganzoo.errors import RunError
from cganzoo.runs.folder import RunFolder


class DamagedError(RunError):
    """A run folder that cannot be understood; the sentence does not name it, as whoever tells it does."""


class _Part(BaseModel):
    """A table of which a comparison reads some keys; the others are nobody's business here."""

    model_config = ConfigDict(extra="ignore", strict=True)


class _Named(_Part):
    name: str


class _Optimizers(_Part):
    generator: _Named
    discriminator: _Named


class _Train(_Part):
    seed: int
    steps: int
    batch_size: int
    discriminator_steps: int = 1


class _Recipe(_Part):
    """Of a resolved recipe."""

    data: _Named
    train: _Train
    optimizer: _Optimizers
    loss: _Named
    metrics: list[_Named] = Field([])


class _Call(_Part):
    command: str | None = None
    code: dict[str, str] = Field({})


class _Data(_Part):
    fingerprint: str | None = None


class _Protocol(_Part):
    fingerprint: str | None = None
    metrics: dict[str, dict[str, Any]] = Field({})


class _Versions(_Part):
    distributions: dict[str, dict[str, Any]] = Field({})
    torch: str | None = None


Numbers = dict[str, float | None]


class _Manifest(_Part):
    status: str | None = None
    error: str | None = None
    recipe: str | None = None
    step: int | None = None
    seconds: float | None = None
    device: str | None = None
    classes: list[str] = Field([])
    code: dict[str, str] = Field({})
    calls: list[_Call] = Field([])
    data: _Data | None = None
    parameters: dict[str, int] = Field({})
    peak_memory: Numbers = Field({})
    versions: _Versions | None = None
    protocol: _Protocol | None = None
    scores: Numbers = Field({})
    real_test: Numbers | None = None
    real_halves: Numbers | None = None
    per_class: dict[str, list[float | None]] | None = None


def manifest(folder: RunFolder) -> Mapping[str, Any]:
    """The manifest, with ``None`` for numbers that are not finite; empty where there is none.

    Raises:
        DamagedError: it is no JSON, or a value is of another type than ours.
    """
    try:
        found: Any = folder.manifest()
    except RunError as error:
        raise DamagedError(f"manifest.json is damaged ({error.__cause__})") from error
    _check(_Manifest, found, "manifest.json")
    finite: Mapping[str, Any] = _finite(found)
    return finite


def recipe(folder: RunFolder) -> dict[str, Any]:
    """The values of the resolved recipe, as they were written: its plugins need not be installed.

    Raises:
        DamagedError: the file cannot be read, is no TOML, or lacks a key that a comparison reads.
    """
    try:
        values: dict[str, Any] = tomllib.loads(folder.recipe_file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DamagedError(f"recipe.toml cannot be read ({error.strerror or error}), so it is no whole run") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DamagedError(f"recipe.toml is damaged ({error})") from error
    _check(_Recipe, values, "recipe.toml")
    return values


def _check(model: type[BaseModel], values: Any, file: str) -> None:
    try:
        model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise DamagedError(f"{file} has no {key}; it was written by another version") from error
        told = "is no table" if first["type"] == "model_type" else first["msg"]
        raise DamagedError(f"{file} is damaged, or another version wrote it ({key or 'it'}: {told})") from error


def _finite(value: Any) -> Any:
    """JSON of others may hold NaN, and ours must not."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
