"""Loading plugins: a failure of one is recorded and does not affect the others.

:func:`load_plugins` imports them and collects their specifications in a :class:`~cganzoo.registry.Registry`, which
looks up the names of a recipe. The entry-point loader of pluggy is not used: it silently drops a second plugin of the
same entry-point name, and one failing import ends the program.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import replace
from importlib.metadata import EntryPoint
from types import MappingProxyType
from typing import Any

import pluggy
from packaging.specifiers import SpecifierSet
from pydantic import ValidationError

from cganzoo import hookspecs
from cganzoo._util import places
from cganzoo._util.text import did_you_mean
from cganzoo._version import __version__
from cganzoo.config import parse
from cganzoo.errors import PluginError
from cganzoo.hookspecs import PROJECT

from .discovery import Provider, folder, installed, select
from .kinds import KIND_OF_HOOK, KINDS
from .registry import Component, LoadFailure, Plugin, Registry

ALLOW_LIST = "CGANZOO_LOAD_PLUGINS"
"""Environment variable: distributions that commands without a recipe load, separated by commas; empty for none."""

BUILTIN = ("cganzoo.data.sets.specs", "cganzoo.evaluate.extractors", "cganzoo.runs.metrics_file")
"""Modules of the host that implement hooks."""

MOST_COMPONENTS = 100
"""The most components that one hook of one plugin may yield."""

HEAVY = frozenset({"PIL", "numpy", "scipy", "sklearn", "timm", "torch", "torchvision"})
"""Modules that a plugin may import only when it builds a component, because they are slow to import."""


def load_plugins(
    required: Iterable[str] | None = None,
    *,
    builtin: Iterable[str] = BUILTIN,
    fatal: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> Registry:
    """Import plugins and collect their components and those of the host.

    Args:
        required: the only distributions to import, written as in ``[requires] plugins`` of a recipe. ``None`` for those
            in the environment variable ``CGANZOO_LOAD_PLUGINS`` or, if it is not set, all that are installed.
        builtin: modules of the host that implement hooks.
        fatal: distribution and entry point of plugins that are not imported but recorded as failed, with the reason.

    Raises:
        PluginError: a listed distribution is missing or of another version, or one of ``required`` fails. Without
            ``required``, the registry records failures instead.
    """
    wanted, unloaded = choose(required)
    loader = Loader()
    plugins = []
    for provider in [*built_in(builtin), *wanted]:
        problem = fatal.get((provider.distribution, provider.entry_point), "")
        plugin = loader.load(replace(provider, problem=provider.problem or problem))
        if plugin.failures and (required is not None or provider.distribution == PROJECT):
            raise PluginError(str(plugin.failures[0])) from plugin.failures[0].error
        plugins.append(plugin)
    return Registry(tuple(plugins), unloaded)


def choose(required: Iterable[str] | None) -> tuple[tuple[Provider, ...], tuple[Provider, ...]]:
    """The installed plugins to load, and the others; arguments and errors as in :func:`load_plugins`."""
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
    """The host as a provider of components, once for each of its modules that implement hooks."""
    return tuple(
        Provider(distribution=PROJECT, version=__version__, entry_point=module, module=module, location=folder(module))
        for module in modules
    )


class _RuleError(Exception):
    """A plugin breaks a rule of the host; the text is the reason, ``source`` the function that breaks it."""

    def __init__(self, reason: str, source: Any = None) -> None:
        super().__init__(reason)
        self.source = source


class Loader:
    """Imports plugins one by one and calls their hooks."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, str]] = set()  # kind and full name of the components so far
        self._owners: dict[str, Provider] = {}  # of the modules that this or another process loaded
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)

    def skip(self, provider: Provider) -> None:
        """Record a plugin that another process loaded: another plugin of the same module is refused."""
        self._owners.setdefault(provider.module, provider)

    def load(self, provider: Provider) -> Plugin:
        """Import one plugin and call its hooks; its failures are part of the result."""
        yielded: list[Component] = []
        components: list[Component] = []
        failures: list[LoadFailure] = []

        @contextmanager
        def recorded(doing: str, source: Any = None) -> Iterator[None]:
            """Record an error with its line in the plugin; if it has none, with the line that defines ``source``."""
            try:
                yield
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                within = places.sources([provider.module])
                place = places.raised(error, within)[0] or places.defined(_source(error) or source, within)
                reason = failure_reason(error, doing) + (f", at {place}" if place else "")
                failures.append(LoadFailure(provider=provider, reason=reason, error=error))

        had = HEAVY & sys.modules.keys()
        start = time.perf_counter()
        hooks: list[tuple[str, pluggy.HookImpl]] = []
        # Standard output belongs to the command: with --json it must stay JSON.
        with _off_standard_output():
            with recorded(f"importing {provider.module}"):
                hooks += self._register(provider)
            for hook, implementation in hooks:
                with recorded(hook, implementation.function):
                    self._collect(provider, hook, implementation, yielded)
            for component in yielded:
                with recorded(f"building the options of {component}", component.spec.config):
                    _check_options(component)
                    components.append(component)
        heavy = sorted((HEAVY & sys.modules.keys()) - had)
        notes = [f"imports {', '.join(heavy)} when it is loaded; import inside build"] if heavy else []
        return Plugin(
            provider=provider,
            components=tuple(components),
            failures=tuple(failures),
            seconds=time.perf_counter() - start,
            imported_torch="torch" in heavy,
            notes=(*provider.notes, *notes),
        )

    def _register(self, provider: Provider) -> list[tuple[str, pluggy.HookImpl]]:
        """Import a plugin and let pluggy check it; returns its implementations with the names of their hooks."""
        if provider.problem:
            raise _RuleError(provider.problem)
        if not SpecifierSet(provider.wants_host).contains(__version__, prereleases=True):
            raise _RuleError(f"incompatible: wants {PROJECT}{provider.wants_host}, running {__version__}")
        if owner := self._owners.get(provider.module):
            raise _RuleError(f"{provider.module} is already loaded as {owner.distribution}/{owner.entry_point}")
        plugin = EntryPoint(provider.entry_point, provider.module, PROJECT).load()
        # The distribution is part of the name, because two of them may use the same entry-point name.
        name = f"{provider.distribution}/{provider.entry_point}"
        try:
            self._manager.register(plugin, name)
            implementations = _implementations(plugin, self._manager)
        except BaseException:
            if self._manager.has_plugin(name):  # pluggy may leave a refused plugin half registered
                self._manager.unregister(name=name)
            raise
        self._owners[provider.module] = provider
        return implementations

    def _collect(
        self, provider: Provider, hook: str, implementation: pluggy.HookImpl, components: list[Component]
    ) -> None:
        """Add what one implementation yields to ``components``; those before an error remain.

        It is not called through pluggy, which would not say which plugin yielded which specification.
        """
        kind = KINDS[KIND_OF_HOOK[hook]]
        if implementation.wrapper or implementation.hookwrapper:
            raise _RuleError(f"{hook} is a hook wrapper; only the plain @hookimpl is allowed")
        yielded = implementation.function()
        if not isinstance(yielded, Iterable):
            raise _RuleError(f"{hook} returns {type(yielded).__name__}; yield each {kind.spec.__name__}")
        before = len(components)
        for spec in yielded:
            if not isinstance(spec, kind.spec):
                raise _RuleError(f"{hook} yields {type(spec).__name__} where {kind.spec.__name__} belongs")
            component = Component(kind=kind.name, spec=spec, provider=provider)
            key = (component.kind, component.full_name)
            if key in self._taken:
                raise _RuleError(f"{hook} yields {component} twice")
            if len(components) - before == MOST_COMPONENTS:
                del components[before:]
                raise _RuleError(f"{hook} does not end: it yields more than {MOST_COMPONENTS} components")
            self._taken.add(key)
            components.append(component)


@contextmanager
def _off_standard_output() -> Iterator[None]:
    """Redirect what the block prints to standard error: the output of Python and of compiled code."""
    with redirect_stdout(sys.stderr), ExitStack() as restore:
        with suppress(OSError):  # closed, so that nothing can be printed
            output = os.dup(1)
            restore.callback(os.close, output)
            os.dup2(2, 1)
            restore.callback(os.dup2, output, 1)
        try:
            yield
        finally:
            with suppress(Exception):
                sys.__stdout__.flush()  # type: ignore[union-attr]


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
        # As check_pending of pluggy, but with a suggestion.
        if hook not in KIND_OF_HOOK and not implementation.optionalhook:
            meant = did_you_mean(hook, KIND_OF_HOOK, f"the hooks are {', '.join(KIND_OF_HOOK)}")
            raise _RuleError(f"there is no hook {hook}; {meant}", implementation.function)
    return [(hook, implementation) for hook, implementation in found if hook in KIND_OF_HOOK]


def _check_options(component: Component) -> None:
    """Raise unless the options of a component have a schema, and names and defaults that a recipe could write."""
    schema = component.json_schema
    for table in (schema, *schema.get("$defs", {}).values()):
        for name in table.get("properties", {}):
            if not re.fullmatch("[A-Za-z0-9_-]+", name):
                raise _RuleError(f"{component}: the option {name!a} is not a key that TOML accepts without quotes")
    config = component.spec.config
    defaults = config.model_construct().model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)
    try:
        parse(config, defaults)
    except ValidationError as error:
        for wrong in error.errors(include_url=False):
            # Options without a default are valid, and a check across options may need these.
            if wrong["loc"] and wrong["type"] != "missing":
                default = f'the default of "{wrong["loc"][0]}"'
                raise _RuleError(f"{component}: {default} does not fit: {wrong['msg']}") from error


def _source(error: BaseException) -> Any:
    """The function or module of a plugin that the host or pluggy refuses, where that is known."""
    if isinstance(error, pluggy.PluginValidationError):
        hook = re.search(r"for hook '(\w+)'", str(error))
        return getattr(error.plugin, hook[1], error.plugin) if hook else error.plugin
    return error.source if isinstance(error, _RuleError) else None


def failure_reason(error: BaseException, doing: str) -> str:
    """One line that says what failed, such as ``"importing cganzoo_x raised ValueError: ..."``."""
    if isinstance(error, _RuleError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f'{doing} needs the module "{error.name}", which is not installed'
    if isinstance(error, pluggy.PluginValidationError):
        return "; ".join(str(error).splitlines())
    try:
        text = textwrap.shorten(str(error), 300)
    except Exception:  # str() of the plugin's exception may raise, too
        text = ""
    return f"{doing} raised {type(error).__name__}" + (f": {text}" if text else "")
