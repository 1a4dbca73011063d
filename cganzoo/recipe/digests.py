"""What identifies a run: which values of a recipe count, and their hash. No torch.

Three kinds of keys are treated apart: those that say where the images are (their fingerprint says what they are), those
that change no weight, and those that were added after cganzoo 0.1, which digests leave out at their default.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from cganzoo._util.checked import json_checksum
from cganzoo.config import Config, Since
from cganzoo.registry.kinds import KINDS

BOOKKEEPING = frozenset({"log_every", "checkpoint_every", "keep_checkpoints", "sample_every", "evaluate_every"})
"""Keys of ``[train]`` that do not change the weights."""

PLACES: Mapping[str, Any] = {"root": None, "download": False}
"""Options of a data set that say where its files are, not what they are; and the value that stands for all others.

``None``: the key is left out. The values are the defaults, so that digests of recipes without these keys stay equal.
"""

OBSERVERS = frozenset(kind.recipe_table for kind in KINDS.values() if kind.decides == "nothing")
"""Tables that change neither weights nor scores."""


def digest(values: Any) -> str:
    """Short hash of JSON values. The order of the keys does not change the hash."""
    return json_checksum(values)[:16]


def training_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that decide the weights: without scoring, logging, checkpoints and version bounds."""
    left_out = {"requires", "evaluation"} | {kind.recipe_table for kind in KINDS.values() if kind.decides != "weights"}
    kept = {name: section for name, section in values.items() if name not in left_out}
    return {**kept, "train": {name: value for name, value in kept["train"].items() if name not in BOOKKEEPING}}


def without_places(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a recipe without the places of files, which a run that is moved to another machine changes.

    ``train.init`` is one, too: ``train.init_sha256`` says what is in the file.
    """
    data = {key: PLACES.get(key, value) for key, value in values["data"].items()}
    data = {key: value for key, value in data.items() if value is not None}
    return {**values, "data": data, "train": {key: value for key, value in values["train"].items() if key != "init"}}


def drop_later_defaults(model: type[Config], values: dict[str, Any]) -> None:
    """Remove the keys of ``model`` that are marked with :class:`Since` and have their default, here and below."""
    for name, info in model.model_fields.items():
        key = info.alias or name
        if key not in values:
            continue
        if any(isinstance(mark, Since) for mark in info.metadata) and values[key] == info.default:
            del values[key]
            continue
        tables = values[key] if isinstance(values[key], list) else [values[key]]
        for table in tables:
            if isinstance(table, dict):
                for below in _models(info.annotation):
                    drop_later_defaults(below, table)


def _models(annotation: Any) -> list[type[Config]]:
    """The models that a field's type names: ``X``, ``X | None``, ``tuple[X, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return [annotation]
    return [found for part in typing.get_args(annotation) for found in _models(part)]
