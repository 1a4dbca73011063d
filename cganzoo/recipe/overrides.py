"""``--set section.key=value``: changes of a recipe's values."""

from __future__ import annotations

import re
from datetime import date, time
from typing import Any, TypeVar

from pydantic import ValidationError

from cganzoo._util.text import one_line
from cganzoo._util.toml import tomllib
from cganzoo.config import Config, parse
from cganzoo.errors import RecipeError

from .messages import dotted, keys_of
from .source import DEEPEST, Keys, check_keys, check_values, problem, toml_error

C = TypeVar("C", bound=Config)

BEFORE = "value = "
"""Makes a line of TOML of a value."""

Texts = dict[Keys, tuple[Any, str]]
"""Values that were written without quotes and are no text in TOML, such as ``2024``, with their text, by their keys."""


def set_value(values: dict[str, Any], override: str, texts: Texts | None = None) -> str:
    """Set one ``key.path=value`` in ``values``. Returns the path to the part that is new, for messages.

    ``texts`` gets the text of a value such as ``2024`` or ``true``, which :func:`parse_with_texts` uses.
    """
    path, equals, text = override.partition("=")
    keys = [key.strip() for key in path.split(".")]
    where = f"--set {one_line(override)}"
    if not equals or not all(keys) or not text.strip():
        raise RecipeError(f'{where}: write it as section.key=value, like "--set train.steps=200"')
    if wrong := problem(path):
        raise RecipeError(f"{where}: in the key, {wrong}")
    if len(keys) > DEEPEST:
        raise RecipeError(f"{where}: the key has {len(keys):,} parts; no key of a recipe has more than {DEEPEST}")
    value = _value(text.strip(), where)
    node: Any = values
    new_from = len(keys)
    steps: list[str | int] = []
    for depth, name in enumerate(keys):
        if not isinstance(node, (dict, list)):
            raise RecipeError(f"{where}: {one_line('.'.join(keys[:depth]))} is a single value, not a section")
        key: Any = _index(node, name, where) if isinstance(node, list) else name
        if isinstance(node, dict) and key not in node:
            new_from = min(new_from, depth + 1)
            node[key] = {}
        if depth == len(keys) - 1:
            node[key] = value
        node = node[key]
        steps.append(key)
    check_values(value, lambda at: f"--set {dotted(at)}", tuple(steps))
    if texts is not None and isinstance(value, (bool, int, float)):
        texts[tuple(steps)] = value, text.strip()
    return ".".join(keys[:new_from])


def parse_with_texts(model: type[C], values: dict[str, Any], texts: Texts, prefix: Keys = ()) -> C:
    """As :func:`cganzoo.config.parse`; where ``model`` wants text, a value of ``texts`` is the text that was written.

    So ``--set data.root=2024`` names a folder, and ``--set train.steps=2024`` is a number. ``prefix`` are the keys of
    ``values`` in the recipe. The texts are put into ``values`` itself.

    Raises:
        ValidationError: the values do not fit.
    """
    try:
        return parse(model, values)
    except ValidationError as error:
        if not texts or not _put_texts(error, values, texts, prefix):
            raise
    return parse(model, values)


def _put_texts(error: ValidationError, values: dict[str, Any], texts: Texts, prefix: Keys) -> bool:
    """Replace the values that are wrong because text belongs there; whether there is one."""
    found = False
    for item in error.errors(include_url=False):
        if item["type"] not in ("string_type", "literal_error"):
            continue
        node: Any = values
        path = keys_of(item["loc"], values)
        for key in path[:-1]:
            node = node[key]
        value, text = texts.get((*prefix, *path), (None, ""))
        takes_text = item["type"] == "string_type" or f"'{text}'" in item["ctx"]["expected"]
        if path and text and takes_text and repr(node[path[-1]]) == repr(value):  # not ==, because of nan
            node[path[-1]] = text
            found = True
    return found


def _value(text: str, where: str) -> Any:
    """A value in TOML, or a text without quotes: ``data.root=/a/b``, ``data.root=2024-05-01``."""
    if text[0] in "[{" or "\n" in text:
        check_keys(text, where)
    try:
        value = tomllib.loads(BEFORE + text)
    except tomllib.TOMLDecodeError as error:
        if text[0] in "\"'[{":
            column = re.compile(r"(?<=line 1, column )\d+")  # counted in the text, without BEFORE
            reason = column.sub(lambda at: str(max(1, int(at[0]) - len(BEFORE))), toml_error(error))
            key = where.removeprefix("--set ").partition("=")[0].strip()
            hint = f"put a text in quotes: --set '{key}=\"...\"'"
            raise RecipeError(f"{where}: the value is not valid TOML: {reason}; {hint}") from error
        return text
    except RecursionError as error:
        raise RecipeError(f"{where}: the value is nested more than {DEEPEST} deep; no recipe needs that") from error
    except ValueError as error:  # a number of thousands of digits
        if text[0] in "[{":
            raise RecipeError(f"{where}: the value holds a number that is too long to read") from error
        return text
    if len(value) > 1 or isinstance(value["value"], (date, time)):
        return text  # it has a second line with a second key, or is a date, which no key takes
    return value["value"]


def _index(node: list[Any], key: str, where: str) -> int:
    if not key.isdecimal() or len(key) > 9 or int(key) >= len(node):
        positions = f"one of the positions 0 to {len(node) - 1}" if node else "a position: the list is empty"
        raise RecipeError(f"{where}: {one_line(key)} is not {positions}")
    return int(key)
