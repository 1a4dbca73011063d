"""Imports at the last moment: what a command does not need costs it no time."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

F = TypeVar("F")


def lazily(package: str, homes: Mapping[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """A package's ``__getattr__``.

    Args:
        package: its ``__name__``.
        homes: its modules, by their names in it, and the names that each offers.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def __getattr__(name: str) -> Any:  # noqa: N807 - what Python calls it
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f".{home_of[name]}", package), name)
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__


@dataclass(frozen=True)
class Import:
    """A callable by its path, imported when it is called: ``"package.module:name"``.

    Of ``"package.module"`` a call returns the module itself.

    Raises:
        ValueError: the path has another form.
    """

    path: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z_][\w.]*(:[A-Za-z_]\w*)?", self.path):
            raise ValueError(f'"{self.path}" is not written "package.module:name"')

    def load(self) -> Any:
        """What the path names.

        Raises:
            ImportError: there is no such module, or no such name in it.
        """
        module, _, name = self.path.partition(":")
        found = importlib.import_module(module)
        if name and not hasattr(found, name):
            raise ImportError(f'{module} has no "{name}"', name=module)
        return getattr(found, name) if name else found

    def __call__(self, *arguments: Any) -> Any:
        loaded = self.load()
        return loaded(*arguments) if ":" in self.path else loaded


class Importable(Generic[F]):
    """A dataclass field for a callable that may be written as its path; reading it gives a callable.

    Args:
        default: of the field; without one the field is required.
    """

    def __init__(self, *default: F) -> None:
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: Any = None) -> F:
        if instance is not None:
            value: F = instance.__dict__[self._name]
            return value
        if not self._default:  # how dataclasses see that there is none
            raise AttributeError(self._name)
        return self._default[0]

    def __set__(self, instance: Any, value: F | str) -> None:
        instance.__dict__[self._name] = Import(value) if isinstance(value, str) else value
