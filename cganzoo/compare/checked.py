"""What a run folder's own files say, checked: whoever reads them further on need not fear a wrong type. No torch."""

from __future__ import annotations

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


def manifest(folder: RunFolder) -> Mapping[str, Any]:
    """The manifest as a flat dict; empty where there is none.

    Raises:
        DamagedError: it has another shape than ours.
    """
    try:
        values = folder.manifest().model_dump(exclude_defaults=True)
    except RunError as error:
        raise DamagedError(f"manifest.json {str(error).removeprefix(f'{folder.manifest_file}: ')}") from error
    return {**values, **values.pop("evaluation", {})}


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
