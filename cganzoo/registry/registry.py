"""Loaded components and plugins, their failures, and the look-up of names."""

from __future__ import annotations

import functools
import traceback
from dataclasses import dataclass, field
from typing import Any

from packaging.utils import canonicalize_name

from cganzoo._util.install import install_command
from cganzoo._util.text import did_you_mean, one_line
from cganzoo.errors import PluginError
from cganzoo.hookspecs import PROJECT
from cganzoo.specs import Spec

from .discovery import Provider, zoo
from .kinds import KINDS

MOST_NAMES = 60
"""Names of components that a message lists; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """A specification, its kind (a key of :data:`cganzoo.registry.kinds.KINDS`) and its provider."""

    kind: str
    spec: Spec
    provider: Provider

    def __str__(self) -> str:
        return f'the {KINDS[self.kind].title} "{self.name}"'

    @property
    def name(self) -> str:
        """The name that a recipe writes."""
        return self.spec.name

    @property
    def full_name(self) -> str:
        """The name that a recipe writes if two distributions use the same one: ``distribution/name``."""
        return f"{self.provider.distribution}/{self.spec.name}"

    @functools.cached_property
    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of its options; cached, because it is slow."""
        schema: dict[str, Any] = self.spec.config.model_json_schema()
        return schema


@dataclass(frozen=True, kw_only=True)
class LoadFailure:
    """A failure of a plugin; ``str()`` is one line with the plugin, its version and the reason."""

    provider: Provider
    reason: str
    error: BaseException = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.provider}: {self.reason}"

    @property
    def traceback(self) -> str:
        """Traceback of the exception, for ``--debug``."""
        return "".join(traceback.format_exception(self.error))


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A loaded entry point. It may have both components and failures.

    Attributes:
        seconds: time to import it and to call its hooks.
        imported_torch: whether loading it imported torch, which makes every command slow to start. Known only for the
            first such plugin in a process.
        notes: smaller problems, with which it loads.
    """

    provider: Provider
    components: tuple[Component, ...]
    failures: tuple[LoadFailure, ...]
    seconds: float
    imported_torch: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Registry:
    """Every plugin that was loaded or that failed, and the installed ones that were not selected (``unloaded``)."""

    plugins: tuple[Plugin, ...]
    unloaded: tuple[Provider, ...] = ()

    @property
    def failures(self) -> tuple[LoadFailure, ...]:
        """The failures of all plugins."""
        return tuple(failure for plugin in self.plugins for failure in plugin.failures)

    def components(self, kind: str | None = None) -> tuple[Component, ...]:
        """All components, or those of one kind, sorted by kind and name."""
        found = (component for plugin in self.plugins for component in plugin.components)
        return tuple(
            sorted(
                (component for component in found if kind in (None, component.kind)),
                key=lambda component: (list(KINDS).index(component.kind), component.name, component.full_name),
            )
        )

    def get(self, kind: str, name: str, hint: str = "") -> Component:
        """The component that a recipe calls ``name``, or ``distribution/name``.

        A name without distribution means the component of the host, if the host has one. ``hint`` is advice for the
        message, in case that there is none.

        Raises:
            PluginError: there is none, or more than one; the message says what to write or to install instead.
        """
        found = self._find(kind, name)
        if found is None:
            prefix, _, bare = name.rpartition("/")
            raise PluginError(self._unknown(kind, canonicalize_name(prefix), bare, hint))
        return found

    def provides(self, kind: str, name: str) -> bool:
        """Whether there is what a recipe calls ``name``, perhaps more than once."""
        try:
            return self._read(kind, name) is not None
        except PluginError:  # more than one, or without its argument
            return True

    def named(self, kind: str, name: str, hint: str = "") -> tuple[Component, dict[str, str]]:
        """As :meth:`get`, and the option in the name: ``{"model": "resnet18"}`` for ``"timm/resnet18"``."""
        return self._read(kind, name) or (self.get(kind, name, hint), {})

    def _read(self, kind: str, name: str) -> tuple[Component, dict[str, str]] | None:
        head, _, tail = name.rpartition("/")
        for written, value in ((name, ""), (head, tail), (head.rpartition("/")[0], "")):
            component = self._find(kind, written)
            argument: str | None = getattr(component.spec, "argument", None) if component else None
            if component and argument and not value:
                raise PluginError(f'"{one_line(name)}" does not name a {argument}; write "{written}/<{argument}>"')
            if component and (argument or written == name):
                return component, {argument: value} if argument else {}
        return None

    def _find(self, kind: str, name: str) -> Component | None:
        prefix, _, bare = name.rpartition("/")
        distribution = canonicalize_name(prefix)
        found = {
            component.provider.distribution: component
            for component in self.components(kind)
            if component.name == bare and distribution in ("", component.provider.distribution)
        }
        if len(found) > 1 and PROJECT not in found:
            choices = " or ".join(f'"{component.full_name}"' for component in found.values())
            raise PluginError(
                f'more than one distribution provides the {KINDS[kind].title} "{one_line(name)}"; write {choices}'
            )
        return found.get(PROJECT) or next(iter(found.values()), None)

    def _unknown(self, kind: str, distribution: str, name: str, hint: str) -> str:
        """The message for an unknown name: what may explain it, by metadata and failures, and what to do."""
        likely = distribution or canonicalize_name(f"{PROJECT}-{name}")

        def may_provide(provider: Provider) -> bool:
            return provider.distribution == likely or (not distribution and provider.entry_point == name)

        full_name = f"{distribution}/{name}" if distribution else name
        names = {component.name: component.full_name for component in self.components(kind)}
        advice = [
            f'{provider} is installed and may provide it: add "{provider.distribution}" to [requires] plugins'
            for provider in self.unloaded
            if may_provide(provider)
        ]
        advice += [str(failure) for failure in self.failures if may_provide(failure.provider)]
        installed = {one.distribution for one in (*self.unloaded, *(plugin.provider for plugin in self.plugins))}
        if likely in zoo() - installed:
            advice.append(install_command(likely))
        if hint and not advice:
            advice.append(hint)
        if not advice:
            advice = [did_you_mean(full_name.lower(), (*names, *names.values()))]
            if failed := sorted({failure.provider.distribution for failure in self.failures}):
                advice.append(f'it may belong to a plugin that failed (see "{PROJECT} plugins"): {", ".join(failed)}')
        arguments = {component.name: getattr(component.spec, "argument", None) for component in self.components(kind)}
        shown = sorted(f"{name}/<{argument}>" if argument else name for name, argument in arguments.items())
        more = f" and {len(shown) - MOST_NAMES} more" if len(shown) > MOST_NAMES else ""
        title = KINDS[kind].title
        available = f"(available: {', '.join(shown[:MOST_NAMES])}{more})" if names else f"(no {title} is available)"
        return "; ".join([f'there is no {title} "{one_line(full_name)}"', *filter(None, advice)]) + f" {available}"
