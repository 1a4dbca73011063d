"""Messages for mistakes in a recipe: the file, the key, the value, and what to write instead; never very long."""

from __future__ import annotations

import re
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from cganzoo._util.text import did_you_mean, one_line, shortened
from cganzoo._util.toml import written
from cganzoo.config import Config

MOST_MISTAKES = 8
"""Mistakes that a message lists; the others are counted."""

MOST_READ = 1000
"""Mistakes that are looked at."""

LONGEST = 1200
"""Characters of a message after which it lists no further mistake."""

LONGEST_VALUE = 80
"""Characters of a value or a key in a message."""

MOST_KEYS = 24
"""Known keys that a message lists."""

MOST_DEEP = 8
"""Mistakes inside each other: a check of a component may raise the mistakes of a table of its own."""


def place(source: str, keys: Iterable[str | int], overrides: Collection[str] = frozenset()) -> str:
    """``file: section.key``, or ``--set section.key`` if the value comes from the command line."""
    plain = [str(key) for key in keys]
    changed = any(".".join(plain[:end]) in overrides for end in range(1, len(plain) + 1))
    return f"--set {dotted(plain)}" if changed else f"{source}: {dotted(plain)}"


def from_command_line(places: Iterable[str]) -> str:
    """The first of these places that is a ``--set``, or an empty string."""
    return next((one for one in places if one.startswith("--set ")), "")


def dotted(keys: Iterable[str | int]) -> str:
    """The keys as a recipe writes them: ``optimizer.generator.lr``."""
    return shortened(".".join(_key(str(key)) for key in keys), 2 * LONGEST_VALUE)


def _key(key: str) -> str:
    """A key as TOML writes it: in quotes unless it is plain, and with letters that look like others escaped."""
    plain = re.fullmatch("[A-Za-z0-9_-]+", key)
    return shortened(key if plain else f'"{key.encode("unicode_escape").decode()}"', LONGEST_VALUE)


def explain(
    error: ValidationError,
    models: tuple[type[Config], ...],
    values: Any,
    source: str,
    overrides: Collection[str] = frozenset(),
    prefix: tuple[str | int, ...] = (),
) -> str:
    """One line for each mistake: the file, the key, the value, and what to write instead.

    ``models`` are the validated model and others that share its table; ``values`` is what the recipe has at ``prefix``.
    """
    messages: dict[str, str] = {}
    length, hint = 0, ""
    mistakes = list(_mistakes(error))
    places = [prefix + _keys(item, location, values) for item, location in mistakes[:MOST_READ]]
    deeper = {keys[:end] for keys in places for end in range(len(keys))}
    for number, (keys, (item, location)) in enumerate(zip(places, mistakes, strict=False)):
        if len(messages) == MOST_MISTAKES or length > LONGEST:
            messages[f"{len(mistakes) - number:,} more mistakes"] = ""
            break
        # A value that fits no type of a union is reported once for each type: the first is enough, and of a table, the
        # mistakes inside it.
        where = place(source, keys, overrides) if keys else source
        together = item.get("ctx", {}).get("places", ())  # of a mistake that several keys make together
        where = from_command_line(place(source, one, overrides) for one in together) or where
        inside = keys in deeper and item["type"].endswith("_type")
        if where not in messages and not inside:
            messages[where] = _message(item, location, models)
            length += len(where) + len(messages[where])
            if item["type"] == "extra_forbidden" and not where.startswith("--set"):
                hint = hint or of_another_name(keys[:-1], prefix, values, overrides, _known_keys(models, location))
    return "\n".join(f"{where}: {message}" if message else where for where, message in messages.items()) + hint


def of_another_name(
    table: tuple[str | int, ...],
    prefix: tuple[str | int, ...],
    values: Any,
    overrides: Collection[str],
    known: Mapping[str, FieldInfo],
) -> str:
    """What to write if ``--set`` changed only the name of a table whose other keys, from the file, do not fit it."""
    if ".".join(map(str, (*table, "name"))) not in overrides:
        return ""
    for key in table[len(prefix) :]:
        values = values[key]
    whole = f"{dotted(table)}={_of_name(values['name'], known)}"
    return f"; the table in the file is for another name: replace all of it with --set '{whole}'"


def _of_name(name: str, known: Mapping[str, FieldInfo]) -> str:
    """A table of this name, with the keys that it must have: ``{name="sgd", lr=...}``."""
    required = [f"{key}=..." for key, field in known.items() if field.is_required() and key != "name"]
    return f"{{{', '.join([f'name={_toml(name)}', *required])}}}"


def _mistakes(
    error: ValidationError, location: tuple[str | int, ...] = (), depth: int = 0
) -> Iterator[tuple[Mapping[str, Any], tuple[str | int, ...]]]:
    """Each mistake and its location; those of a table that a component checks itself have the place in that table."""
    for item in error.errors(include_url=False):
        inner = item.get("ctx", {}).get("error") if item["type"] == "value_error" else None
        here = (*location, *item["loc"])
        if isinstance(inner, ValidationError) and depth < MOST_DEEP:
            yield from _mistakes(inner, here, depth + 1)
        else:
            yield item, here


def keys_of(location: tuple[str | int, ...], values: Any) -> tuple[str | int, ...]:
    """The keys in the recipe: pydantic's location without the steps that name a branch of a union."""
    keys: list[str | int] = []
    node: Any = values
    for step in location:
        known = step in node if isinstance(node, dict) else isinstance(node, list) and step in range(len(node))
        if known:
            keys.append(step)
            node = node[step]
    return tuple(keys)


def _keys(item: Mapping[str, Any], location: tuple[str | int, ...], values: Any) -> tuple[str | int, ...]:
    if item["type"] == "missing":
        return (*keys_of(location[:-1], values), location[-1])
    keys = _within_a_table(keys_of(location, values), location, values)
    if item["type"].startswith("union_tag"):
        keys = (*keys, item["ctx"]["discriminator"].strip("'"))
    return keys


def _within_a_table(keys: tuple[str | int, ...], location: tuple[Any, ...], values: Any) -> tuple[str | int, ...]:
    """The keys, where a check of the whole table raised the mistakes of a table inside it: with that table's key."""
    if keys or not location or not isinstance(values, dict):
        return keys
    for key, table in values.items():
        if isinstance(table, dict) and (found := keys_of(location, table)):
            return (key, *found)
    return keys


def _message(item: Mapping[str, Any], location: tuple[Any, ...], models: Iterable[type[Config]]) -> str:
    kind, value, context = item["type"], item.get("input"), item.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known_keys(models, location)
        names = sorted(known)
        more = f" and {len(names) - MOST_KEYS} more" if len(names) > MOST_KEYS else ""
        here = f"known here: {', '.join(names[:MOST_KEYS])}{more}" if known else "none is known here"
        return f"unknown key; {did_you_mean(str(location[-1]), known, here)}"
    if kind in ("missing", "union_tag_not_found"):
        field = _known_keys(models, location).get(str(location[-1])) if location else None
        meaning = field.description if field and not _configs(field.annotation) else None
        return f"is missing ({one_line(meaning.rstrip('.'), 200)})" if meaning else "is missing"
    if kind == "union_tag_invalid":
        expected = str(context.get("expected_tags", "")).replace("'", '"')
        return f'"{one_line(str(context.get("tag")))}" is not known; choose one of {one_line(expected, 200)}'
    if kind == "value_error":
        return one_line(str(context.get("error", item["msg"])), 300)
    message = str(item["msg"])
    for theirs, ours in (("an object", "a table"), ("Tuple", "the array"), (" after validation", "")):
        message = message.replace(theirs, ours)
    known = _known_keys(models, (*location, "name")) if kind in ("model_type", "dict_type") else {}
    instead = f"; write {_of_name(value, known)}" if isinstance(value, str) and "name" in known else ""
    return f"{_toml(value)} does not fit: {message[0].lower()}{one_line(message[1:], 300)}{instead}"


def _known_keys(models: Iterable[type[Config]], location: tuple[Any, ...]) -> dict[str, FieldInfo]:
    """The keys allowed in the table that holds the last key of ``location``, with their fields."""
    here = list(models)
    for step in location[:-1]:
        below = [
            found
            for model in here
            for name, info in model.model_fields.items()
            if step in (name, info.alias)
            for found in _configs(info.annotation)
        ]
        branch = [
            model for model in here if "name" in model.model_fields and model.model_fields["name"].default == step
        ]
        here = below or branch or here
    return {info.alias or name: info for model in here for name, info in model.model_fields.items()}


def _configs(annotation: Any) -> list[type[Config]]:
    """The tables of options in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return [annotation]
    return [found for part in typing.get_args(annotation) for found in _configs(part)]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, float):
        return str(value)  # as TOML writes them: nan, inf
    return shortened(written(value), LONGEST_VALUE)
