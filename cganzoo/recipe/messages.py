"""Messages for mistakes in a recipe: the file, the key, the value, and what to write instead."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from cganzoo._util.text import did_you_mean
from cganzoo.config import Config


def place(source: str, keys: Iterable[str | int], overrides: frozenset[str] = frozenset()) -> str:
    """``file: section.key``, or ``--set section.key`` if the value comes from the command line."""
    dotted = ".".join(str(key) for key in keys)
    from_command_line = any(dotted == key or dotted.startswith(f"{key}.") for key in overrides)
    return f"--set {dotted}" if from_command_line else f"{source}: {dotted}"


def explain(
    error: ValidationError,
    models: tuple[type[Config], ...],
    values: Any,
    source: str,
    overrides: frozenset[str] = frozenset(),
    prefix: tuple[str | int, ...] = (),
) -> str:
    """One line for each mistake: the file, the key, the value, and what to write instead.

    ``models`` are the validated model and others that share its table; ``values`` is what the recipe has at ``prefix``.
    """
    messages: dict[str, str] = {}
    for item in error.errors():
        keys = prefix + _keys(item, values)
        # A value that fits no type of a union is reported once for each type: the first is enough.
        messages.setdefault(place(source, keys, overrides) if keys else source, _message(item, models))
    return "\n".join(f"{where}: {message}" for where, message in messages.items())


def _keys(item: Mapping[str, Any], values: Any) -> tuple[str | int, ...]:
    """The keys in the recipe: pydantic's path without the steps that name a branch of a union."""
    keys: list[str | int] = []
    node = values
    for depth, step in enumerate(item["loc"], start=1):
        if item["type"] == "missing" and depth == len(item["loc"]):
            keys.append(step)
        elif (isinstance(node, dict) and step in node) or (isinstance(node, list) and isinstance(step, int)):
            keys.append(step)
            node = node[step]
    if item["type"].startswith("union_tag"):
        keys.append(item["ctx"]["discriminator"].strip("'"))
    return tuple(keys)


def _message(item: Mapping[str, Any], models: Iterable[type[Config]]) -> str:
    kind, value, context = item["type"], item.get("input"), item.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known_keys(models, item["loc"])
        here = f"known here: {', '.join(sorted(known))}" if known else "none is known here"
        return f"unknown key; {did_you_mean(str(item['loc'][-1]), known, here)}"
    if kind in ("missing", "union_tag_not_found"):
        return "is missing"
    if kind == "union_tag_invalid":
        expected = str(context.get("expected_tags", "")).replace("'", '"')
        return f'"{context.get("tag")}" is not known; choose one of {expected}'
    if kind == "value_error":
        return str(context.get("error", item["msg"]))
    message = str(item["msg"])
    for theirs, ours in (("an object", "a table"), ("Tuple", "the array"), (" after validation", "")):
        message = message.replace(theirs, ours)
    return f"{_toml(value)} does not fit: {message[0].lower()}{message[1:]}"


def _known_keys(models: Iterable[type[Config]], location: tuple[Any, ...]) -> set[str]:
    """The keys allowed in the table that holds the last key of ``location``."""

    def within(annotation: Any) -> list[type[Config]]:
        if isinstance(annotation, type) and issubclass(annotation, Config):
            return [annotation]
        return [found for part in typing.get_args(annotation) for found in within(part)]

    here = list(models)
    for step in location[:-1]:
        below = [
            found
            for model in here
            for name, info in model.model_fields.items()
            if step in (name, info.alias)
            for found in within(info.annotation)
        ]
        branch = [
            model for model in here if "name" in model.model_fields and model.model_fields["name"].default == step
        ]
        here = below or branch or here
    return {info.alias or name for model in here for name, info in model.model_fields.items()}


def _toml(value: Any) -> str:
    return "a table" if isinstance(value, dict) else json.dumps(value, ensure_ascii=False)
