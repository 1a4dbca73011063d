"""Imports at the last moment: what a command does not need costs it no time."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

F = TypeVar("F")


def lazily(package: str) -> None:
    """Offer the names that a package imports ``if TYPE_CHECKING``, as ``from .module import name as name``.

    Each is imported when it is first used. Sets the package's ``__all__``, ``__getattr__`` and ``__dir__``.
    """
    module = sys.modules[package]
    exported = {
        alias.name: f"{'.' * node.level}{node.module}"
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }

    def getattr_(name: str) -> Any:
        if name not in exported:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(exported[name], package), name)
        setattr(module, name, value)
        return value

    vars(module).update(
        __all__=sorted(exported), __getattr__=getattr_, __dir__=lambda: sorted({*vars(module), *exported})
    )


@dataclass(frozen=True)
class Import:
    """A callable by its path, imported when it is called: ``"package.module:name"``.

    A call of ``"package.module"`` returns the module itself.
    """

    path: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z_][\w.]*(:[A-Za-z_]\w*)?", self.path):
            raise ValueError(f'"{self.path}" is not written "package.module:name"')

    def found(self) -> Any:
        """What the path names; raises :class:`ImportError` if there is no such thing."""
        module, _, name = self.path.partition(":")
        found = importlib.import_module(module)
        if name and not hasattr(found, name):
            raise ImportError(f'{module} has no "{name}"', name=module)
        return getattr(found, name) if name else found

    def __call__(self, *arguments: Any) -> Any:
        found = self.found()
        return found(*arguments) if ":" in self.path else found


class Importable(Generic[F]):
    """A dataclass field for a callable that may be written as its path; without ``default`` it is required."""

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
