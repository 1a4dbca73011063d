"""The installed plugins, loaded: whatever one of them does wrong is recorded against it and stops nothing else.

:func:`load_plugins` imports them and collects their specifications into a :class:`Registry`, where a recipe's names
are looked up. pluggy's own entry-point loader is not used: it drops a second plugin of the same entry-point name
without a word, and one bad import ends the program.
"""

from __future__ import annotations

import difflib
import functools
import os
import sys
import textwrap
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from types import MappingProxyType
from typing import Any

import pluggy
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from pydantic import ValidationError

from . import hookspecs
from ._version import __version__
from .config import parse
from .discovery import Provider, folder, installed, select, zoo
from .errors import PluginError
from .guard import guarded, off_standard_output
from .hookspecs import PROJECT
from .specs import KINDS, Spec

__all__ = ["Component", "LoadFailure", "Plugin", "Provider", "Registry", "load_plugins"]

ALLOW_LIST = "CGANZOO_LOAD_PLUGINS"
"""Environment variable: distributions to load where no recipe says so, separated by commas; empty for none."""

BUILTIN = ("cganzoo.data.builtin",)
"""Modules of the host that implement hooks themselves."""

MOST_COMPONENTS = 100
"""Of one hook of one plugin."""

HEAVY = frozenset({"PIL", "numpy", "scipy", "sklearn", "timm", "torch", "torchvision"})
"""Modules that a plugin imports when a component is built, not before: they would make every command slow to start."""

KIND_OF_HOOK = {f"{PROJECT}_{kind}{'es' if kind.endswith('s') else 's'}": kind for kind in KINDS}


@dataclass(frozen=True, kw_only=True)
class Component:
    """A specification, its kind (a key of :data:`cganzoo.specs.KINDS`) and where it comes from."""

    kind: str
    spec: Spec
    provider: Provider

    def __str__(self) -> str:
        return f'the {self.kind} "{self.name}"'

    @property
    def name(self) -> str:
        """What a recipe writes."""
        return self.spec.name

    @property
    def full_name(self) -> str:
        """What a recipe writes where two distributions share the name: ``distribution/name``."""
        return f"{self.provider.distribution}/{self.spec.name}"

    @functools.cached_property
    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of its options, made once: it takes a while."""
        schema: dict[str, Any] = self.spec.config.model_json_schema()
        return schema


@dataclass(frozen=True, kw_only=True)
class LoadFailure:
    """Something a plugin did wrong; ``str()`` is a line that names the plugin, its version and the reason."""

    provider: Provider
    reason: str
    error: BaseException = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.provider}: {self.reason}"

    @property
    def traceback(self) -> str:
        """The traceback of the plugin's exception, for ``--debug``."""
        return "".join(traceback.format_exception(self.error))


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One entry point after loading.

    Attributes:
        provider: where it comes from.
        components: what it provides.
        failures: what went wrong; a plugin may have both components and failures.
        seconds: how long it took to import and to call.
        imported_torch: whether loading it imported torch, which makes every command slow to start. Only the first
            such plugin of a process can be told.
        notes: what else is wrong with it, though it loads.
    """

    provider: Provider
    components: tuple[Component, ...]
    failures: tuple[LoadFailure, ...]
    seconds: float
    imported_torch: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Registry:
    """The components at hand.

    Attributes:
        plugins: every plugin that was loaded, or failed to.
        unloaded: plugins that are installed but were not asked for; nothing of theirs was imported.
    """

    plugins: tuple[Plugin, ...]
    unloaded: tuple[Provider, ...] = ()

    @property
    def failures(self) -> tuple[LoadFailure, ...]:
        """What went wrong, in all plugins."""
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

    def get(self, kind: str, name: str) -> Component:
        """The component that a recipe calls ``name``, or ``distribution/name``.

        A bare name that the host provides means the host's: no plugin can take it away.

        Raises:
            PluginError: there is none, or more than one; the sentence says what to write or to install instead.
        """
        prefix, _, bare = name.rpartition("/")
        distribution = canonicalize_name(prefix)
        found = [
            component
            for component in self.components(kind)
            if component.name == bare and distribution in ("", component.provider.distribution)
        ]
        if not found:
            raise PluginError(self._unknown(kind, distribution, bare))
        hosted = [component for component in found if component.provider.distribution == PROJECT]
        found = hosted or found
        if len(found) > 1:
            choices = " or ".join(f'"{component.full_name}"' for component in found)
            raise PluginError(f'more than one distribution provides a {kind} "{name}"; write {choices}')
        return found[0]

    def _unknown(self, kind: str, distribution: str, name: str) -> str:
        """Why there is no such component, as far as metadata and failures can tell, and what to do."""
        likely = distribution or canonicalize_name(f"{PROJECT}-{name}")

        def may_provide(provider: Provider) -> bool:
            return provider.distribution == likely or (not distribution and provider.entry_point == name)

        full_name = f"{distribution}/{name}" if distribution else name
        components = self.components(kind)
        known = {component.name for component in components}
        advice = [
            f'{provider} is installed and may provide it: add "{provider.distribution}" to [requires] plugins'
            for provider in self.unloaded
            if may_provide(provider)
        ]
        advice += [str(failure) for failure in self.failures if may_provide(failure.provider)]
        present = {plugin.provider.distribution for plugin in self.plugins} | {p.distribution for p in self.unloaded}
        if likely in zoo() - present:
            advice.append(f"pip install {likely}")
        if not advice:
            candidates = known | {component.full_name for component in components}
            near = difflib.get_close_matches(full_name.lower(), candidates, n=1)
            advice += [f'did you mean "{choice}"?' for choice in near]
            if failed := sorted({failure.provider.distribution for failure in self.failures}):
                advice.append(f'it may belong to what did not load (see "{PROJECT} plugins"): {", ".join(failed)}')
        available = f"(available: {', '.join(sorted(known))})" if known else f"(no {kind} is available)"
        return "; ".join([f'there is no {kind} "{full_name}"', *advice]) + f" {available}"


def load_plugins(
    required: Iterable[str] | None = None,
    *,
    builtin: Iterable[str] = BUILTIN,
    fatal: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> Registry:
    """Import plugins and collect what they provide, beside what the host itself does.

    Args:
        required: the only distributions to import, as a recipe's ``[requires] plugins`` writes them: ``"cganzoo-x"``
            or ``"cganzoo-x>=0.1"``. ``None``: those in the environment variable ``CGANZOO_LOAD_PLUGINS``, or else
            all that are installed.
        builtin: modules of the host that implement hooks.
        fatal: distribution and entry point of what would end the process, with what it does: a failure, unimported.

    Raises:
        PluginError: a distribution that is asked for is missing or of another version, or one of ``required`` fails
            in any way. Without ``required`` a failure is recorded in the registry instead.
    """
    wanted, unloaded = choose(required)
    hosted = built_in(builtin)
    loader = Loader(fatal=fatal)
    plugins = []
    for provider in [*hosted, *wanted]:
        plugin = loader.load(provider)
        if plugin.failures and (required is not None or provider in hosted):
            raise PluginError(str(plugin.failures[0])) from plugin.failures[0].error
        plugins.append(plugin)
    return Registry(tuple(plugins), unloaded)


def choose(required: Iterable[str] | None) -> tuple[tuple[Provider, ...], tuple[Provider, ...]]:
    """Of the installed plugins, those to load and the others; arguments and errors as of :func:`load_plugins`."""
    providers = installed()
    allowed = os.environ.get(ALLOW_LIST)
    if required is not None:
        names = select(required, providers, "[requires] plugins")
    elif allowed is not None:
        names = select(filter(None, map(str.strip, allowed.split(","))), providers, ALLOW_LIST)
    else:
        return tuple(providers), ()
    wanted = tuple(provider for provider in providers if provider.distribution in names)
    return wanted, tuple(provider for provider in providers if provider.distribution not in names)


def built_in(modules: Iterable[str] = BUILTIN) -> tuple[Provider, ...]:
    """The host as the provider of what its own modules implement."""
    return tuple(
        Provider(
            distribution=PROJECT, version=__version__, entry_point="builtin", module=module, location=folder(module)
        )
        for module in modules
    )


class _RuleError(Exception):
    """A plugin breaks a rule of the host's; the text is the reason."""


class Loader:
    """Imports plugins one by one and calls their hooks.

    Args:
        tell: is called with what is about to be done, such as ``"importing cganzoo_x"``.
        interruptible: whether a KeyboardInterrupt is the user's, and ends the loading.
        fatal: distribution and entry point of what must not be imported, with the reason.
    """

    def __init__(
        self,
        tell: Callable[[str], None] = lambda doing: None,
        *,
        interruptible: bool = True,
        fatal: Mapping[tuple[str, str], str] = MappingProxyType({}),
    ) -> None:
        self._tell, self._interruptible, self._fatal = tell, interruptible, fatal
        self._taken: set[tuple[str, str]] = set()  # kind and full name of what is already provided
        self._skipped: dict[str, Provider] = {}  # by module
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)

    def skip(self, provider: Provider) -> None:
        """Do not load this one, which another process did; another plugin of the same module is still the second."""
        self._skipped.setdefault(provider.module, provider)

    def load(self, provider: Provider) -> Plugin:
        """Import one plugin and call its hooks; what it does wrong is in the result."""
        components: list[Component] = []
        failures: list[LoadFailure] = []

        @contextmanager
        def recorded(doing: str) -> Iterator[None]:
            self._tell(doing)
            try:
                yield
            except BaseException as error:
                if self._interruptible and isinstance(error, KeyboardInterrupt):
                    raise
                failures.append(LoadFailure(provider=provider, reason=_reason(error, doing), error=error))

        had = HEAVY & sys.modules.keys()
        start = time.perf_counter()
        hooks: list[tuple[str, pluggy.HookImpl]] = []
        # Standard output belongs to the command: with --json it must stay JSON.
        with off_standard_output(), guarded() as notes:
            with recorded(f"importing {provider.module}"):
                hooks = self._register(provider)
            for hook, implementation in hooks:
                with recorded(hook):
                    self._collect(provider, hook, implementation, components)
            for component in list(components):
                with recorded(f"building the options of {component}"):
                    try:
                        check_options(component)
                    except BaseException:
                        components.remove(component)
                        raise
        heavy = sorted((HEAVY & sys.modules.keys()) - had)
        if heavy:  # these change a good deal themselves, which would only distract
            notes = [f"imports {', '.join(heavy)} when it is loaded; import inside build"]
        return Plugin(
            provider=provider,
            components=tuple(components),
            failures=tuple(failures),
            seconds=time.perf_counter() - start,
            imported_torch="torch" in heavy,
            notes=(*provider.notes, *notes),
        )

    def _register(self, provider: Provider) -> list[tuple[str, pluggy.HookImpl]]:
        """Import the plugin and have pluggy check it; its implementations with the names of their hooks."""
        if reason := provider.problem or self._fatal.get((provider.distribution, provider.entry_point)):
            raise _RuleError(reason)
        if not SpecifierSet(provider.wants_host).contains(__version__, prereleases=True):
            raise _RuleError(f"incompatible: wants {PROJECT}{provider.wants_host}, running {__version__}")
        if owner := self._skipped.get(provider.module):
            raise _RuleError(f"{provider.module} is already loaded as {owner.distribution}/{owner.entry_point}")
        plugin = EntryPoint(provider.entry_point, provider.module, PROJECT).load()
        # Named by the distribution too, so that an entry-point name that two of them use stands for two plugins.
        name = f"{provider.distribution}/{provider.entry_point}"
        if (first := self._manager.get_name(plugin)) is not None:
            raise _RuleError(f"{provider.module} is already loaded as {first}")
        try:
            self._manager.register(plugin, name)
            return _implementations(plugin, self._manager)
        except BaseException:
            if self._manager.has_plugin(name):  # pluggy may leave a plugin that it refused half registered
                self._manager.unregister(name=name)
            raise

    def _collect(
        self, provider: Provider, hook: str, implementation: pluggy.HookImpl, components: list[Component]
    ) -> None:
        """Add what one implementation yields to ``components``; what comes before an error counts."""
        before = len(components)
        for spec in _specs(hook, implementation):
            component = Component(kind=KIND_OF_HOOK[hook], spec=spec, provider=provider)
            key = (component.kind, component.full_name)
            if key in self._taken:
                raise _RuleError(f'{hook} yields the {component.kind} "{component.name}" twice')
            if len(components) - before == MOST_COMPONENTS:
                del components[before:]
                raise _RuleError(f"{hook} does not come to an end: it yields more than {MOST_COMPONENTS} components")
            self._taken.add(key)
            components.append(component)


def _implementations(plugin: object, manager: pluggy.PluginManager) -> list[tuple[str, pluggy.HookImpl]]:
    found = [
        (caller.name, implementation)
        for caller in manager.get_hookcallers(plugin) or ()
        for implementation in caller.get_hookimpls()
        if implementation.plugin is plugin
    ]
    if not found:
        raise _RuleError("implements no hook; mark its functions with @cganzoo.hookimpl")
    for hook, implementation in found:
        # As pluggy's check_pending, with the near miss named.
        if hook not in KIND_OF_HOOK and not implementation.optionalhook:
            near = difflib.get_close_matches(hook, KIND_OF_HOOK, n=1)
            meant = f"did you mean {near[0]}?" if near else f"the hooks are {', '.join(KIND_OF_HOOK)}"
            raise _RuleError(f"there is no hook {hook}; {meant}")
    return [(hook, implementation) for hook, implementation in found if hook in KIND_OF_HOOK]


def _specs(hook: str, implementation: pluggy.HookImpl) -> Iterator[Spec]:
    """Call one implementation: directly, not through pluggy, so that each specification is attributed."""
    kind = KINDS[KIND_OF_HOOK[hook]]
    if implementation.wrapper or implementation.hookwrapper:
        raise _RuleError(f"{hook} is a hook wrapper; only the plain @hookimpl is allowed")
    yielded = implementation.function()
    if not isinstance(yielded, Iterable):
        raise _RuleError(f"{hook} returns {type(yielded).__name__}; yield each {kind.__name__}")
    for spec in yielded:
        if not isinstance(spec, kind):
            raise _RuleError(f"{hook} yields {type(spec).__name__} where {kind.__name__} belongs")
        yield spec


def check_options(component: Component) -> None:
    """Build what pydantic defers; raise unless the options have a schema and defaults that a recipe could write."""
    assert component.json_schema
    config = component.spec.config
    defaults = config.model_construct().model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)
    try:
        parse(config, defaults)
    except ValidationError as error:
        for wrong in error.errors(include_url=False):
            # What has no default must be given, and what no single option is to blame for may need some to be given.
            if wrong["loc"] and wrong["type"] != "missing":
                reason = f'{component}: the default of "{wrong["loc"][0]}" does not fit: {wrong["msg"]}'
                raise _RuleError(reason) from error


def _reason(error: BaseException, doing: str) -> str:
    if isinstance(error, _RuleError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f'{doing} needs the module "{error.name}", which is not installed'
    if isinstance(error, pluggy.PluginValidationError):
        return "; ".join(str(error).splitlines())
    try:
        text = textwrap.shorten(str(error), 300)
    except Exception:  # the plugin's own exception, whose text fails as well
        text = ""
    return f"{doing} raised {type(error).__name__}" + (f": {text}" if text else "")
