"""Every installed plugin, loaded in another process: one that hangs or crashes is told like any other.

The child (:mod:`cganzoo.registry.probe_child`) loads plugin after plugin and says over a pipe, in lines of JSON, what
it is about to do and what came of it. If it dies, or does not move for :data:`PATIENCE`, the plugin at hand is loaded
once more, alone: if that ends the child again, it is to blame; if not, one before it is. A new child goes on behind it.
Standard library only, so that the child is started at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from typing import IO, TYPE_CHECKING, Any

from cganzoo._version import API_VERSION, __version__
from cganzoo.errors import PluginError

from .clashes import PROJECT, clashes
from .guard import THREAD
from .kinds import KINDS

if TYPE_CHECKING:
    from .registry import Registry

PATIENCE = 10.0
"""Seconds that one step of a plugin may take: its import, one of its hooks."""

START = """
import sys
sys.path[:] = sys.argv[2:]
from cganzoo.registry import entry_points
entry_points.confine()
from cganzoo.registry.probe_child import child
child(sys.argv[1])
"""

Inventory = dict[str, Any]


def inspect(waiting: Callable[[str], None] = lambda what: None) -> Inventory:
    """What is installed and what is wrong with it, as ``cganzoo plugins --json`` prints it.

    Args:
        waiting: is called with a plugin's name and version, and what it does, when that takes longer than a second.

    Raises:
        PluginError: the allow-list names what is not installed, or no plugin can be loaded for a reason of the host's.
    """
    if os.name == "nt":  # no pipes to select from, no groups of processes
        raise PluginError("this command needs Linux or macOS, or on Windows its Linux subsystem (WSL)")
    inventory: Inventory = {"host": __version__, "api": API_VERSION, **_empty()}
    finished: list[int] = []
    before = -1
    while _one_child(finished, inventory, waiting):
        if len(finished) == before:
            raise PluginError("no plugin can be loaded: their process ends between two of them")
        before = len(finished)
    order = list(KINDS)
    inventory["components"].sort(key=lambda found: (order.index(found["kind"]), found["component"], found["full_name"]))
    inventory["clashes"] = list(clashes(inventory))
    return inventory


def load_survivors() -> Registry:
    """All plugins, loaded in this process, but for those of which another one got nothing: they are failures here, too.

    For commands that take whatever is installed; one that ends, crashes or hangs its process ends no command then.

    Raises:
        PluginError: as of :func:`inspect`.
    """
    from .loading import load_plugins

    inventory = inspect()
    died = {_key(plugin) for plugin in inventory["plugins"] if plugin["seconds"] is None}
    useful = {component["distribution"] for component in inventory["components"]}
    return load_plugins(
        fatal={
            _key(failure): failure["reason"]
            for failure in inventory["failures"]
            if _key(failure) in died or failure["distribution"] not in useful
        }
    )


def _key(provider: Mapping[str, Any]) -> tuple[str, str]:
    return provider["distribution"], provider["entry_point"]


def _empty() -> Inventory:
    return {"components": [], "plugins": [], "unloaded": [], "notes": [], "failures": []}


def _one_child(
    finished: list[int], inventory: Inventory, waiting: Callable[[str], None], only: int | None = None
) -> bool:
    """Load what is not in ``finished``, or ``only`` one, until the child ends; whether another one has to go on."""
    providers: list[dict[str, Any]] = []
    current, doing, died = None, "", ""
    loaded: list[int] = []
    with tempfile.TemporaryFile() as output, contextlib.closing(_lines(finished, only, output)) as lines:
        for line in lines:
            if "error" in line:
                raise PluginError(line["error"])
            if "providers" in line:
                providers, inventory["unloaded"] = line["providers"], line["unloaded"]
            elif "begin" in line:
                current, doing = line["begin"], "loading"
            elif "waiting" in line and current is not None:
                waiting("{distribution} {version}: {doing}".format(**providers[current], doing=doing))
            elif "doing" in line:
                doing = line["doing"]
            elif "plugin" in line:
                _add(inventory, {**line, "plugins": [line["plugin"]]})
                finished.append(line["finished"])
                loaded.append(line["finished"])
                current = None
            elif "died" in line and not providers:
                output.seek(0)
                last = output.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise PluginError("no plugin can be loaded: " + line["died"].format(doing="the start") + f": {last}")
            elif "died" in line:
                died = line["died"].format(doing=doing)
    if died and current is not None:
        before = [providers[number] for number in loaded if providers[number]["distribution"] != PROJECT]
        alone = _empty()
        if before:
            _one_child(finished, alone, waiting, only=current)
        if current not in finished:
            alone["plugins"].append({**providers[current], "seconds": None, "imported_torch": False})
            alone["failures"].append({**providers[current], "reason": died, "traceback": ""})
            finished.append(current)
        _add(inventory, alone)
        if alone["plugins"][0]["seconds"] is not None:
            _blame(before, providers[current], died, inventory)
    return len(finished) < len(providers)


def _add(inventory: Inventory, found: Mapping[str, Any]) -> None:
    for key in ("plugins", "components", "notes", "failures"):
        inventory[key] += found[key]


def _blame(before: list[dict[str, Any]], victim: dict[str, Any], died: str, inventory: Inventory) -> None:
    """Tell why a process died while a plugin was loaded that is sound by itself, behind those ``before`` it."""
    threaded = {_key(note) for note in inventory["notes"] if note["note"] == THREAD}
    suspects = [provider for provider in before if _key(provider) in threaded]
    if not suspects:
        note = f"{died}, but not when it is loaded alone: it was something that another plugin left"
        inventory["notes"].append({**victim, "note": note})
        return
    reason = f"leaves a thread that is likely to blame: beside it, {died}, which goes well alone"
    inventory["failures"].append({**suspects[-1], "reason": reason, "traceback": ""})
    for plugin in inventory["plugins"]:
        if _key(plugin) == _key(suspects[-1]):
            plugin["seconds"] = None  # as of one that died itself: commands that take every plugin leave it out


# --- the child, seen from here --------------------------------------------------------------------------------------


def _lines(finished: list[int], only: int | None, output: IO[bytes]) -> Generator[dict[str, Any], None, None]:
    """What the child says, and, if it does not come to its end, what became of it as ``{"died": ...}``."""
    reading, writing = os.pipe()
    token = secrets.token_hex(8)  # tells the child's own lines from what a plugin writes to every file that is open
    job = {"finished": finished, "only": only, "pipe": writing, "token": token}
    try:
        child = subprocess.Popen(
            [sys.executable, "-c", START, json.dumps(job), *map(str, sys.path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[writing],
            start_new_session=True,  # an interrupt is for the parent, which then ends the child and all of its own
        )
    finally:
        os.close(writing)
    try:
        if died := (yield from _messages(reading, child, token.encode())):
            yield {"died": died}
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _messages(pipe: int, child: subprocess.Popen[bytes], token: bytes) -> Generator[dict[str, Any], None, str]:
    """The child's lines as they come; returns what ended them, or nothing if it was the end of its work."""
    rest = b""
    moved, told = time.monotonic(), False
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if selector.select(timeout=0.1):
                read = os.read(pipe, 1 << 16)
                if not read:
                    return _how_it_ended(child)
                *lines, rest = (rest + read).split(b"\n")
                for line in lines:
                    if not line.startswith(token):
                        return "{doing} wrote into the pipe of the host"
                    message = json.loads(line.removeprefix(token))
                    if "end" in message:
                        return ""
                    yield message
                moved, told = time.monotonic(), False
            elif child.poll() is not None:  # though something it left behind still holds the pipe
                return _how_it_ended(child)
            elif time.monotonic() > moved + PATIENCE:
                return f"{{doing}} took longer than {PATIENCE:g} s and was stopped"
            elif time.monotonic() > moved + 1 and not told:
                yield {"waiting": (told := True)}


def _how_it_ended(child: subprocess.Popen[bytes]) -> str:
    try:
        code = child.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return "{doing} closed the files of the process"
    if code < 0:
        return f"{{doing}} crashed the process ({_signal(-code)})"
    return f"{{doing}} ended the process with exit code {code}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
