"""Loads all installed plugins in a child process. A plugin that blocks or crashes the child is recorded as a failure.

The child (:mod:`cganzoo.registry.probe_child`) loads one plugin after another and writes one line of JSON for each. If
it ends early, or if a line takes longer than :data:`TIME_LIMIT`, the plugin that it was loading has failed, and a new
child continues with the next one. This module imports little, so that the child starts at once.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from cganzoo._util.install import install_command
from cganzoo._util.text import did_you_mean, one_line
from cganzoo._version import API_VERSION, __version__
from cganzoo.errors import PluginError

from .discovery import PROJECT, zoo

if TYPE_CHECKING:
    from .registry import Registry

TIME_LIMIT = 10.0
"""Seconds that loading one plugin may take."""

START = """
import sys
sys.path[:] = sys.argv[2:]
from cganzoo.registry.discovery import ignore_unreadable_entry_points
ignore_unreadable_entry_points()
from cganzoo.registry.probe_child import load_all
load_all(skip=int(sys.argv[1]))
"""

Inventory = dict[str, Any]


def inspect(waiting: Callable[[str], None] = lambda message: None) -> Inventory:
    """The installed components and plugins, and their problems, as ``cganzoo plugins --json`` prints them.

    Calls ``waiting`` with a message if a plugin takes longer than a second to load.

    Raises:
        PluginError: ``CGANZOO_LOAD_PLUGINS`` names a plugin that is not installed, or the child process does not start.
    """
    if os.name == "nt":  # which has no process groups
        raise PluginError("this command needs Linux or macOS, or on Windows its Linux subsystem (WSL)")
    inventory: Inventory = {"host": __version__, "api": API_VERSION}
    inventory |= {key: [] for key in ("components", "plugins", "unloaded", "notes", "failures")}
    while not _load(inventory, waiting):
        pass

    from .kinds import KINDS

    kinds = list(KINDS)
    inventory["components"].sort(key=lambda found: (kinds.index(found["kind"]), found["component"], found["full_name"]))
    inventory["clashes"] = list(_clashes(inventory))
    return inventory


def load_survivors(inventory: Inventory | None = None) -> Registry:
    """Load every plugin in this process, except those that crashed, hung or yielded no component in the child process.

    These are recorded as failures. For commands that use whatever is installed. ``inventory`` is what :func:`inspect`
    found, if it was called already. Raises the errors of :func:`inspect`.
    """
    from .loading import load_plugins

    inventory = inspect() if inventory is None else inventory
    crashed = {_key(plugin) for plugin in inventory["plugins"] if plugin["seconds"] is None}
    useful = {component["distribution"] for component in inventory["components"]}
    return load_plugins(
        fatal={
            _key(failure): failure["reason"]
            for failure in inventory["failures"]
            if _key(failure) in crashed or failure["distribution"] not in useful
        }
    )


def find(inventory: Inventory, name: str) -> list[dict[str, Any]]:
    """The components called ``name`` or ``distribution/name``, or all of the distribution ``name``.

    Raises:
        PluginError: there is none; the message says why a plugin did not load, or what to write or install instead.
    """
    prefix, _, bare = name.rpartition("/")
    distribution = canonicalize_name(prefix or name)
    components = inventory["components"]
    if prefix:
        found = [one for one in components if (one["distribution"], one["component"]) == (distribution, bare)]
    else:
        found = [one for one in components if one["distribution"] == distribution or one["component"] == name]
    if found:
        return found
    likely = {distribution, canonicalize_name(f"{PROJECT}-{name}")}
    reasons = [(failure, failure["reason"]) for failure in inventory["failures"]]
    reasons += [(plugin, "may provide it, but CGANZOO_LOAD_PLUGINS excludes it") for plugin in inventory["unloaded"]]
    explanations = [
        f"{entry['distribution']} {entry['version']}: {reason}"
        for entry, reason in reasons
        if entry["distribution"] in likely or entry["entry_point"] == name
    ]
    if explanations:
        raise PluginError("; ".join(explanations))
    known = {entry[key] for entry in components for key in ("component", "full_name", "distribution")}
    if missing := (likely & zoo()) - known:
        advice = install_command(min(missing))
    else:
        advice = did_you_mean(name.lower(), known, f"`{PROJECT} plugins` lists all")
    raise PluginError(f'there is no component or distribution "{one_line(name)}"; {advice}')


def _key(provider: Mapping[str, Any]) -> tuple[str, str]:
    return provider["distribution"], provider["entry_point"]


def _load(inventory: Inventory, waiting: Callable[[str], None]) -> bool:
    """Start a child that loads the plugins that are not in the inventory yet, and add them; whether all are there."""
    plugins = inventory["plugins"]
    with _Child(skip=len(plugins)) as child:
        try:
            start = child.receive()
        except _ChildError as error:
            last_line = child.output().rpartition("\n")[2]
            raise PluginError(f"no plugin can be loaded: the start {error}: {last_line}") from None
        if "error" in start:
            raise PluginError(start["error"])
        providers, inventory["unloaded"] = start["providers"], start["unloaded"]
        for provider in providers[len(plugins) :]:
            try:
                loaded = child.receive(partial(waiting, f"{provider['distribution']} {provider['version']} is loading"))
            except _ChildError as error:
                plugins.append({**provider, "seconds": None, "imported_torch": False})
                reason = f"loading {provider['module']} {error}"
                inventory["failures"].append({**provider, "reason": reason, "traceback": child.output()})
                break
            for key in ("plugins", "components", "notes", "failures"):
                inventory[key] += loaded[key]
            if plugins[-1]["imported_torch"]:  # in this child, the next plugin that imports torch would seem fast
                break
    return len(plugins) == len(providers)


class _ChildError(Exception):
    """The child ended or was too slow; the message says which of the two."""


class _Child:
    """The child process: loads all plugins except the first ``skip``. Leaving the context kills it.

    Its first message lists the plugins or is an error, and each further one describes one plugin.
    """

    def __init__(self, skip: int) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, str(skip), *map(str, sys.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._output,
            start_new_session=True,  # so that the processes that a plugin started are killed, too
        )
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._output.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(b"")

    def receive(self, waiting: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """Return the next message. ``waiting`` is called if the message takes longer than a second."""
        try:
            try:
                line = self._lines.get(timeout=1)
            except queue.Empty:
                waiting()
                line = self._lines.get(timeout=TIME_LIMIT - 1)
            if line.endswith(b"\n"):
                message: dict[str, Any] = json.loads(line)
                return message
            code = self._process.wait(TIME_LIMIT)
        except (queue.Empty, subprocess.TimeoutExpired):
            raise _ChildError(f"took longer than {TIME_LIMIT:g} s and was stopped") from None
        if code < 0:
            raise _ChildError(f"crashed the process ({signal.Signals(-code).name})")
        raise _ChildError(f"ended the process with exit code {code}")

    def output(self) -> str:
        """The end of what the child and its plugins printed."""
        self._output.seek(max(0, self._output.seek(0, os.SEEK_END) - 2000))
        return self._output.read().decode(errors="replace").strip()


def _clashes(inventory: Inventory) -> Iterator[dict[str, Any]]:
    """Each name of a component, an entry point or a module that several distributions use, with advice for the user."""
    plugins = [plugin for plugin in inventory["plugins"] if plugin["entry_point"]]
    named = [(component["kind"], component["component"], component) for component in inventory["components"]]
    named += [("entry point", plugin["entry_point"], plugin) for plugin in plugins]
    named += [("module", plugin["module"], plugin) for plugin in plugins]
    versions: dict[tuple[str, str], dict[str, str]] = {}  # of the distributions, by what has the name
    for what, name, entry in named:
        versions.setdefault((what, name), {})[entry["distribution"]] = entry["version"]
    for (what, name), found in versions.items():
        choices = " or ".join(f'"{distribution}/{name}"' for distribution in sorted(found) if distribution != PROJECT)
        if what == "entry point":
            advice = "both are loaded"
        elif what == "module":
            advice = "the distribution that was installed last provides the code; uninstall one"
        elif PROJECT in found:
            advice = f'"{name}" means the one of {PROJECT}; for the other write {choices}'
        else:
            advice = f"write {choices}"
        if len(found) > 1:
            providers = [" ".join(one) for one in sorted(found.items())]
            yield {"what": what, "name": name, "providers": providers, "advice": advice}
