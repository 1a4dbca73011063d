"""All installed plugins, loaded in a child process: a plugin that hangs or crashes it is one more recorded failure.

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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from cganzoo._version import API_VERSION, __version__
from cganzoo.errors import PluginError

from .discovery import PROJECT

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
    """The installed components and plugins, and what is wrong with them, as ``cganzoo plugins --json`` prints it.

    Args:
        waiting: called with a message if a plugin takes longer than a second to load.

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


def load_survivors() -> Registry:
    """Load every plugin in this process, except those that crashed, hung or yielded no component in the child process.

    These are recorded as failures. For commands that use whatever is installed.

    Raises:
        PluginError: as :func:`inspect`.
    """
    from .loading import load_plugins

    inventory = inspect()
    crashed = {_key(plugin) for plugin in inventory["plugins"] if plugin["seconds"] is None}
    useful = {component["distribution"] for component in inventory["components"]}
    return load_plugins(
        fatal={
            _key(failure): failure["reason"]
            for failure in inventory["failures"]
            if _key(failure) in crashed or failure["distribution"] not in useful
        }
    )


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
    """The child ended or was too slow; the text says which."""


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
        """The next message; ``waiting`` is called if it takes longer than a second."""
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
    """Names of components, entry points and modules that several distributions use, each with advice for the user."""

    def shared(entries: Iterable[dict[str, Any]], *keys: str) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
        groups: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
        for entry in entries:
            groups.setdefault(tuple(entry[key] for key in keys), {})[entry["distribution"]] = entry
        for names, group in groups.items():
            if len(group) > 1:
                yield names, sorted(group.values(), key=lambda entry: entry["distribution"])

    def clash(what: str, name: str, group: list[dict[str, Any]], advice: str) -> dict[str, Any]:
        providers = [f"{entry['distribution']} {entry['version']}" for entry in group]
        return {"what": what, "name": name, "providers": providers, "advice": advice}

    for (kind, name), group in shared(inventory["components"], "kind", "component"):
        choices = " or ".join(f'"{entry["full_name"]}"' for entry in group if entry["distribution"] != PROJECT)
        if any(entry["distribution"] == PROJECT for entry in group):
            yield clash(kind, name, group, f'"{name}" means the one of {PROJECT}; for the other write {choices}')
        else:
            yield clash(kind, name, group, f"write {choices}")
    loaded = [entry for entry in inventory["plugins"] if entry["entry_point"]]
    for (name,), group in shared(loaded, "entry_point"):
        yield clash("entry point", name, group, "both are loaded")
    for (name,), group in shared(loaded, "module"):
        yield clash("module", name, group, "the distribution that was installed last provides the code; uninstall one")
