"""What a user asks a generator for, checked: classes by name or index, a number of images, a seed, truncation."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Sequence
from typing import Any

from cganzoo._util.memory import memory_limit
from cganzoo._util.text import did_you_mean, shortened
from cganzoo.errors import RunError

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
MOST_SHOWN = 10  # names of classes in a message
MOST_TRUNCATION = 10
"""No normal noise is larger, and a code that is ten times as far from its mean makes no image."""


def class_labels(class_names: Sequence[str], classes: Any) -> list[int]:
    """The labels of ``classes``: one or more names or indices; see :func:`class_index`."""
    # An array or tensor without dimensions can be iterated by its type only.
    alone = isinstance(classes, (str, bytes)) or not isinstance(classes, Iterable) or not getattr(classes, "ndim", 1)
    known: dict[str, int] = {}  # many images of a few classes are asked for
    labels = []
    for one in [classes] if alone else classes:
        if isinstance(one, str):
            if one not in known:
                known[one] = class_index(class_names, one)
            labels.append(known[one])
        else:
            labels.append(class_index(class_names, one))
    if not labels:
        raise RunError("classes: is empty; name one class or more, or leave it out for all classes")
    return labels


def class_index(class_names: Sequence[str], name: Any) -> int:
    """The label of a class, given by its name or its index.

    A text is first looked up as a name. A number that is no name counts as an index if no class has a number as its
    name. An ``int`` that is an index and also the name of another class is refused.
    """
    names = list(class_names)
    if not isinstance(name, str):
        return _by_number(names, name)
    if name in names:
        return names.index(name)
    numbered = next((one for one in names if NUMBER.fullmatch(one)), None)
    if name.isascii() and name.isdecimal() and len(name) < 10:
        index = int(name)
        if numbered is None and index < len(names):
            return index
        if numbered is not None and index < len(names):
            raise RunError(
                f'there is no class "{name}"; as an index it would be class "{shown(names[index])}", but other '
                f'classes have numbers as names, like "{shown(numbered)}"; write the name of a class'
            )
    hint = did_you_mean(name, names) if len(name) < 100 else ""
    raise RunError(f'there is no class "{shown(name)}"; {f"{hint} " if hint else ""}there are {_listed(names)}')


def _by_number(names: list[str], number: Any) -> int:
    try:
        if isinstance(number, bool) or str(getattr(number, "dtype", "")) == "torch.bool":
            raise TypeError
        index = operator.index(number)  # also of numpy's and torch's integers
    except TypeError as error:
        raise RunError(
            f"classes: {shown(repr(number))} is neither the name of a class nor an index; there are {_listed(names)}"
        ) from error
    if not 0 <= index < len(names):
        raise RunError(f"classes: {_digits(index)} is not an index; there are {_listed(names)}")
    text = str(index)
    if text in names and names.index(text) != index:
        raise RunError(
            f'classes: {index} can be the class "{text}", which has the index {names.index(text)}, or the index of '
            f'class "{shown(names[index])}"; write the name as a text'
        )
    return index


def shown(name: str) -> str:
    """A name for messages, which may be long."""
    return shortened(name, 60)


def _listed(names: list[str]) -> str:
    return f"{len(names)}: {', '.join(map(shown, names[:MOST_SHOWN]))}{', ...' if len(names) > MOST_SHOWN else ''}"


def whole_number(name: str, value: Any, low: int, high: int) -> int:
    """``value`` as an ``int`` from ``low`` to ``high``; ``name`` is that of the argument, for messages."""
    try:
        if isinstance(value, bool):
            raise TypeError
        found = operator.index(value)
    except TypeError as error:
        raise RunError(f"{name}: {shown(repr(value))} is not a whole number; write one from {low} on") from error
    if not low <= found < high:
        what = f"must be {low} or more" if found < low else "is too large"
        raise RunError(f"{name}: {shown(_digits(found))} {what}")
    return found


def truncation(value: Any) -> float | None:
    """``value`` as a ``float`` from 0 to :data:`MOST_TRUNCATION`, or ``None``: no truncation."""
    if value is None:
        return None
    advice = f"write a number from 0 (no variety) to {MOST_TRUNCATION}, or leave it out for no truncation"
    try:
        if isinstance(value, (bool, str)):
            raise TypeError
        found = float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise RunError(f"truncation: {shown(repr(value))} is not a number; {advice}") from error
    if not 0 <= found <= MOST_TRUNCATION:
        raise RunError(f"truncation: is {found:g}; {advice}")
    return found


def one_of(name: str, value: Any, allowed: Sequence[str]) -> str:
    """``value``, if it is one of ``allowed``; ``name`` is that of the argument, for messages."""
    if value not in allowed:
        raise RunError(f"{name}: is {shown(repr(value))}; write {' or '.join(allowed)}")
    return str(value)


def _digits(number: int) -> str:
    return str(number) if number.bit_length() < 1000 else "a number of hundreds of digits"


def check_memory(count: int, bytes_each: int, name: str = "count") -> None:
    """Raise :class:`RunError` if ``count`` images of this size cannot fit in the memory of the machine.

    ``name`` is that of the argument, for the message.
    """
    limit = memory_limit()
    if limit is not None and count * bytes_each > limit:
        raise RunError(f"{name}: {count:,} images do not fit in memory; at most {limit // bytes_each:,} do")
