"""Every installed plugin, loaded in another process: one that hangs or crashes is told like any other.

The child loads plugin after plugin and says over a pipe, in lines of JSON, what it is about to do and what came of it.
If it dies or does not move for :data:`PATIENCE`, the plugin at hand is to blame, and a new child goes on behind it.
Standard library only, so that the child is started at once.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, TypeVar

from ._version import API_VERSION, __version__
from .errors import PluginError

if TYPE_CHECKING:
    from .discovery import Provider
    from .plugins import Plugin

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that one step of a plugin may take: its import, one of its hooks."""

SLOW = 0.5
"""Seconds from which loading a plugin is called slow."""

LONG_SUMMARY = 200
"""Characters from which a summary is called long."""

PROJECT = "cganzoo"
ORDER = ("generator", "discriminator", "loss", "metric", "dataset")
"""The kinds as they are listed."""

START = "import sys; sys.path[:] = sys.argv[2:]; from cganzoo.probe import child; child(sys.argv[1])"

Inventory = dict[str, Any]


def inspect(waiting: Callable[[str], None] = lambda what: None) -> Inventory:
    """What is installed and what is wrong with it, as ``cganzoo plugins --json`` prints it.

    Args:
        waiting: is called with a plugin's name and version, and what it does, when that takes longer than a second.

    Raises:
        PluginError: the allow-list names what is not installed, or no plugin can be loaded for a reason of the host's.
    """
    inventory: Inventory = {"host": __version__, "api": API_VERSION}
    inventory |= {"components": [], "plugins": [], "unloaded": [], "notes": [], "failures": []}
    finished: list[int] = []
    before = -1
    while _one_child(finished, inventory, waiting):
        if len(finished) == before:
            raise PluginError("no plugin can be loaded: their process ends between two of them")
        before = len(finished)
    inventory["components"].sort(key=lambda found: (ORDER.index(found["kind"]), found["component"], found["full_name"]))
    inventory["clashes"] = list(_clashes(inventory))
    return inventory


def _one_child(finished: list[int], inventory: Inventory, waiting: Callable[[str], None]) -> bool:
    """Load what is not in ``finished`` until the child ends; whether another one has to go on."""
    providers: list[dict[str, Any]] = []
    current, doing = None, ""
    with tempfile.TemporaryFile() as output, contextlib.closing(_lines(finished, output)) as lines:
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
                inventory["plugins"].append(line["plugin"])
                for key in ("components", "notes", "failures"):
                    inventory[key] += line[key]
                finished.append(line["finished"])
                current = None
            elif "end" in line:
                return bool(line["end"] == "again")
            elif "died" in line and not providers:
                output.seek(0)
                last = output.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise PluginError("no plugin can be loaded: " + line["died"].format(doing="the start") + f": {last}")
            elif "died" in line and current is not None:
                provider = providers[current]
                inventory["plugins"].append({**provider, "seconds": None, "imported_torch": False})
                reason = line["died"].format(doing=doing)
                inventory["failures"].append({**provider, "reason": reason, "traceback": ""})
                finished.append(current)
    return True


# --- the child, seen from here --------------------------------------------------------------------------------------


def _lines(finished: list[int], output: IO[bytes]) -> Generator[dict[str, Any], None, None]:
    """What the child says, and, if it does not come to its end, what became of it as ``{"died": ...}``."""
    reading, writing = os.pipe()
    try:
        child = subprocess.Popen(
            [sys.executable, "-c", START, json.dumps({"finished": finished, "pipe": writing}), *map(str, sys.path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[writing],
            start_new_session=True,  # an interrupt is for the parent, which then ends the child and all of its own
        )
    finally:
        os.close(writing)
    try:
        died = yield from _messages(reading, child)
        yield {"died": died}
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _messages(pipe: int, child: subprocess.Popen[bytes]) -> Generator[dict[str, Any], None, str]:
    """The child's lines as they come; returns what ended them."""
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
                yield from map(json.loads, lines)
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
        return f"{{doing}} crashed the process ({signal.Signals(-code).name})"
    return f"{{doing}} ended the process with exit code {code}"


# --- the child itself -----------------------------------------------------------------------------------------------


def child(arguments: str) -> None:
    """Load what the job does not call finished, and tell; ends the process at once, whatever plugins left running."""
    job = json.loads(arguments)
    pipe = job["pipe"]
    os.set_inheritable(pipe, False)

    def say(**line: Any) -> None:
        left = json.dumps(line, default=str).encode() + b"\n"
        while left:
            left = left[os.write(pipe, left) :]

    try:
        _load(frozenset(job["finished"]), say)
    except PluginError as error:
        say(error=str(error))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _load(finished: frozenset[int], say: Callable[..., None]) -> None:
    from . import entry_points
    from .plugins import Loader, built_in, choose

    entry_points.forgive()
    wanted, unloaded = choose(None)
    providers = [*built_in(), *wanted]
    say(providers=[_plain(provider) for provider in providers], unloaded=[_plain(provider) for provider in unloaded])
    loader = Loader(tell=lambda doing: say(doing=doing), interruptible=False)
    _printed_by(_at_exit)  # the host's own; from here on, what is left for the end is the plugin's
    for number, provider in enumerate(providers):
        if number in finished:
            loader.skip(provider)
            continue
        say(begin=number)
        plugin, printed = _printed_by(lambda: loader.load(provider))  # noqa: B023 - called here and now
        say(doing="what it left for the end of the program")
        _, printed_at_end = _printed_by(_at_exit)
        say(finished=number, **_told(plugin, say, printed, printed_at_end))
        if plugin.imported_torch:  # it would hide whether the next one imports it, and how long that takes
            say(end="again")
            return
    say(end="done")


def _told(plugin: Plugin, say: Callable[..., None], printed: str, printed_at_end: str) -> dict[str, Any]:
    """What came of one plugin, as plain data."""
    from .description import describe

    provider = _plain(plugin.provider)
    notes = [*plugin.notes]
    if plugin.seconds > SLOW:
        notes.append(f"takes {plugin.seconds:.1f} s to load")
    if printed:
        notes.append(f'prints when it is loaded: "{printed}"')
    if printed_at_end:
        notes.append(f'prints when the program ends: "{printed_at_end}"')
    failures = [{**provider, "reason": one.reason, "traceback": one.traceback} for one in plugin.failures]
    components = []
    for component in plugin.components:
        say(doing=f"describing {component}")
        try:
            components.append(describe(component))
        except BaseException as error:
            reason = f"describing {component} raised {type(error).__name__}: {_line(str(error))}"
            failures.append({**provider, "reason": reason, "traceback": traceback.format_exc()})
        if len(component.spec.summary) > LONG_SUMMARY:
            notes.append(f"the summary of {component} has {len(component.spec.summary):,} characters")
        if not component.spec.summary.isprintable():
            notes.append(f"the summary of {component} holds control characters")
    return {
        "plugin": {**provider, "seconds": round(plugin.seconds, 4), "imported_torch": plugin.imported_torch},
        "components": components,
        "notes": [{**provider, "note": note} for note in notes],
        "failures": failures,
    }


def _plain(provider: Provider) -> dict[str, Any]:
    fields = ("distribution", "version", "entry_point", "module", "location", "wants_host")
    return {name: getattr(provider, name) for name in fields}


def _at_exit() -> None:
    """Run and forget what was registered to run when the program ends."""
    atexit._run_exitfuncs()


def _printed_by(call: Callable[[], T]) -> tuple[T, str]:
    """What ``call`` returns, and the first line of what it prints: by Python or by compiled code."""
    start = _size_of_output()
    result = call()
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(Exception):
            stream.flush()  # type: ignore[union-attr]
    if _size_of_output() == start:
        return result, ""
    with contextlib.suppress(OSError):
        return result, _line(os.pread(1, 1000, start).decode(errors="replace"))
    return result, "(unknown)"


def _size_of_output() -> int:
    with contextlib.suppress(OSError):
        return os.fstat(1).st_size
    return 0


def _line(text: str) -> str:
    text = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return text if len(text) <= 60 else text[:60] + " ..."


# --- names that several use -----------------------------------------------------------------------------------------


def _clashes(inventory: Inventory) -> Iterator[dict[str, Any]]:
    """Components, entry points and modules that more than one distribution has, with what to do."""

    def shared(entries: Iterable[dict[str, Any]], *keys: str) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
        groups: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
        for entry in entries:
            groups.setdefault(tuple(entry[key] for key in keys), {})[entry["distribution"]] = entry
        for names, group in groups.items():
            if len(group) > 1:
                yield names, sorted(group.values(), key=lambda entry: entry["distribution"])

    for (kind, name), group in shared(inventory["components"], "kind", "component"):
        full_names = [entry["full_name"] for entry in group]
        if any(entry["distribution"] == PROJECT for entry in group):
            others = " or ".join(f'"{name}"' for name in full_names if not name.startswith(f"{PROJECT}/"))
            advice = f'"{name}" means the one of {PROJECT} itself; for the other write {others}'
        else:
            advice = "write " + " or ".join(f'"{name}"' for name in full_names)
        yield _clash(kind, name, group, advice)
    loaded = [entry for entry in inventory["plugins"] if entry["entry_point"]]
    for (name,), group in shared(loaded, "entry_point"):
        yield _clash("entry point", name, group, "each is loaded all the same")
    for (name,), group in shared(loaded, "module"):
        yield _clash("module", name, group, "which code is there depends on what was installed last; uninstall one")


def _clash(what: str, name: str, group: list[dict[str, Any]], advice: str) -> dict[str, Any]:
    providers = [f"{entry['distribution']} {entry['version']}" for entry in group]
    return {"what": what, "name": name, "providers": providers, "advice": advice}
