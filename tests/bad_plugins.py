"""Bad plugins for the tests of the registry: twelve folders of fixtures, and those that the table below describes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cganzoo import __version__
from cganzoo.registry import Registry, load_plugins

FOLDER = Path(__file__).parent / "fixtures" / "broken_plugins"

LOSS = """
from cganzoo import Config, LossSpec, hookimpl

def loss(name, **changed):
    fields = {"name": name, "summary": "A loss", "config": Config, "build": lambda config, context: None}
    return LossSpec(**(fields | changed))

@hookimpl
def cganzoo_losses():
    yield loss(__name__.removeprefix("cganzoo_"))
"""
"""A good plugin: its loss has the name of the module, without ``cganzoo_``."""

HOOK = LOSS[: LOSS.index("    yield")]


@dataclass(frozen=True, kw_only=True)
class Bad:
    """A distribution ``cganzoo-<name>`` and what ``cganzoo plugins`` prints about it.

    Attributes:
        message: part of the line that begins with ``label`` and, except for a clash, name and version.
        body: source of its module.
        label: ``failed``, ``note``, ``clash``, or ``shown`` if it is a row of the table of components.
        fatal: it can be loaded in a child process only.
        kept: whether its component is in the inventory.
    """

    message: str = ""
    body: str = LOSS
    label: str = "failed"
    fatal: bool = False
    kept: bool = False
    metadata: bytes | None = b"Metadata-Version: 2.1\nName: cganzoo-{name}\nVersion: {version}\n"
    entry_points: bytes = b"[cganzoo]\n{name} = cganzoo_{name}\n"
    version: str = "1.0"

    def write(self, folder: Path, name: str) -> Path:
        """Write the files of the installed distribution into ``folder``, and return that."""
        info = folder / f"cganzoo_{name}-{self.version}.dist-info"
        info.mkdir(parents=True)
        (folder / f"cganzoo_{name}.py").write_text(self.body)
        for file, content in (("METADATA", self.metadata), ("entry_points.txt", self.entry_points)):
            if content is not None:
                text = content.replace(b"{name}", name.encode()).replace(b"{version}", self.version.encode())
                (info / file).write_bytes(text)
        return folder


def shown(body: str, *, message: str = "A loss", **more: bool) -> Bad:
    return Bad(message=message, body=body, label="shown", kept=True, **more)


def metadata(more: str, version: str = "Version: 1.0\n") -> bytes:
    return f"Metadata-Version: 2.1\nName: cganzoo-{{name}}\n{version}{more}".encode()


FOLDERS = {
    "missing_dependency": Bad(
        message='importing cganzoo_missing_dependency needs the module "cganzoo_nowhere", which is not installed'
    ),
    "misspelt_hook": Bad(message='there is no hook cganzoo_loses; did you mean "cganzoo_losses"?'),
    "unknown_argument": Bad(
        message="Argument(s) {'recipe'} are declared in the hookimpl but can not be found in the hookspec"
    ),
    "hook_raises": Bad(message="cganzoo_losses raised ZeroDivisionError: the sky fell", kept=True),
    "bad_component_name": Bad(
        message="cganzoo_losses raised ValueError: component name 'Bad-Name' is not lower snake case"
    ),
    "yields_string": Bad(message="cganzoo_losses yields str where LossSpec belongs"),
    "wrapper": Bad(message="cganzoo_losses is a hook wrapper; only the plain @hookimpl is allowed"),
    "top_level_torch": Bad(label="note", message="imports torch when it is loaded; import inside build", kept=True),
    "system_exit": Bad(message="importing cganzoo_system_exit raised SystemExit: no GPU, no plugin"),
    "newer_host": Bad(message=f"incompatible: wants cganzoo>=9, running {__version__}"),
    "stolen_component": Bad(
        label="clash",
        message='the loss "good" is in cganzoo-good 1.0 and cganzoo-stolen-component 1.0; '
        'write "cganzoo-good/good" or "cganzoo-stolen-component/good"',
        kept=True,
    ),
    "stolen_entry_point": Bad(
        label="clash",
        message='the entry point "good" is in cganzoo-good 1.0 and cganzoo-stolen-entry-point 1.0; both are loaded',
        kept=True,
    ),
}
"""By the name of a folder in ``tests/fixtures/broken_plugins``."""

WRITTEN = {
    # --- its module
    "syntax_error": Bad(body="x = 1 +", message="importing cganzoo_syntax_error raised SyntaxError: invalid syntax"),
    "recursion": Bad(
        body="def dig():\n    return dig()\ndig()", message="importing cganzoo_recursion raised RecursionError: maximum"
    ),
    "base_exception": Bad(
        body="class Doom(BaseException):\n    pass\nraise Doom('now')",
        message="importing cganzoo_base_exception raised Doom: now",
    ),
    "unprintable": Bad(
        body="class Doom(Exception):\n    def __str__(self):\n        raise self\nraise Doom",
        message="importing cganzoo_unprintable raised Doom",
    ),
    "interrupt": Bad(
        body="raise KeyboardInterrupt", message="loading cganzoo_interrupt crashed the process (SIGINT)", fatal=True
    ),
    "os_exit": Bad(
        body="import os\nos._exit(3)",
        message="loading cganzoo_os_exit ended the process with exit code 3",
        fatal=True,
    ),
    "segmentation_fault": Bad(
        body="import os, signal\nsignal.signal(signal.SIGSEGV, signal.SIG_DFL)\nimport ctypes\nctypes.string_at(0)",
        message="loading cganzoo_segmentation_fault crashed the process (SIGSEGV)",
        fatal=True,
    ),
    "hangs": Bad(
        body="while True:\n    pass",
        message="loading cganzoo_hangs took longer than 5 s and was stopped",
        fatal=True,
    ),
    "waits_for_input": Bad(body="input()", message="importing cganzoo_waits_for_input raised EOFError", fatal=True),
    "prints": shown(f'print("hello")\n{LOSS}'),
    "writes": shown(f'import os\nos.write(1, b"raw")\n{LOSS}'),
    "writes_at_exit": shown(f'import atexit\natexit.register(lambda: print("bye"))\n{LOSS}'),
    "thread": shown(
        f"import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n{LOSS}", fatal=True
    ),
    "slow": Bad(body=f"import time\ntime.sleep(0.6)\n{LOSS}", message="s to load", label="note", kept=True),
    # --- its hooks
    "no_hook": Bad(body="x = 1", message="implements no hook; mark its functions with @cganzoo.hookimpl"),
    "unmarked": Bad(
        body="def cganzoo_losses():\n    yield None",
        message="implements no hook; mark its functions with @cganzoo.hookimpl",
    ),
    "unknown_hook": Bad(
        body="from cganzoo import hookimpl\n@hookimpl\ndef cganzoo_zzz():\n    pass",
        message="there is no hook cganzoo_zzz",
    ),
    "returns_none": Bad(body=HOOK + "    pass", message="cganzoo_losses returns NoneType; yield each LossSpec"),
    "hook_recursion": Bad(
        body=HOOK + "    yield from cganzoo_losses()",
        message="cganzoo_losses raised RecursionError: maximum recursion depth",
    ),
    "hook_exits": Bad(
        body=HOOK + "    import os\n    os._exit(0)",
        message="loading cganzoo_hook_exits ended the process with exit code 0",
        fatal=True,
    ),
    "raises_midway": Bad(
        body=LOSS + "    raise RuntimeError('midway')", message="cganzoo_losses raised RuntimeError: midway", kept=True
    ),
    "yields_string_midway": Bad(
        body=LOSS + "    yield 'half'", message="cganzoo_losses yields str where LossSpec belongs", kept=True
    ),
    "endless": Bad(
        body=HOOK + "    import itertools\n    yield from (loss(f'l{n}') for n in itertools.count())",
        message="cganzoo_losses does not end: it yields more than 100 components",
    ),
    "twice": Bad(
        body=LOSS + "    yield loss('twice')", message='cganzoo_losses yields the loss "twice" twice', kept=True
    ),
    # --- its components
    "no_config": Bad(
        body=HOOK + "    yield loss('no_config', config=dict)",
        message="cganzoo_losses raised ValueError: no_config: config must be a subclass of cganzoo.Config",
    ),
    "no_schema": Bad(
        body=HOOK + "    class Odd:\n        pass\n    class OddConfig(Config):\n        odd: Odd = None\n"
        "    yield loss('no_schema', config=OddConfig)",
        message='building the options of the loss "no_schema" raised Pydantic',
    ),
    "wrong_default": Bad(
        body=HOOK + "    class Wide(Config):\n        width: int = 'wide'\n"
        "    yield loss('wrong_default', config=Wide)",
        message='the loss "wrong_default": the default of "width" does not fit: Input should be a valid integer',
    ),
    "alias": Bad(
        body=HOOK + "    from pydantic import Field\n    class Odd(Config):\n"
        "        width: int = Field(1, alias='z\\x1b[2J\\nq = 1')\n    yield loss('alias', config=Odd)",
        message="the loss \"alias\": the option 'z\\x1b[2J\\nq = 1' is not a key that TOML accepts without quotes",
    ),
    "alias_within": Bad(
        body=HOOK
        + "    from pydantic import Field\n    class Odd(Config):\n        width: int = Field(1, alias='a b')\n"
        "    class Outer(Config):\n        inner: Odd = Odd()\n    yield loss('alias_within', config=Outer)",
        message="the loss \"alias_within\": the option 'a b' is not a key that TOML accepts without quotes",
    ),
    "conditioning": Bad(
        body=HOOK + "    yield loss('conditioning', conditioning=lambda config: config.nothing)",
        message='describing the loss "conditioning" raised AttributeError',
    ),
    "control_codes": Bad(
        body=HOOK + "    yield loss('control_codes', summary='A \\x1b[2J\\x1b[31m\\u202e loss')",
        message='the summary of the loss "control_codes" holds control characters',
        label="note",
        kept=True,
    ),
    "long_summary": Bad(
        body=HOOK + "    yield loss('long_summary', summary='x' * 10_000)",
        message='the summary of the loss "long_summary" has 10,000 characters',
        label="note",
        kept=True,
    ),
    "markup": shown(HOOK + "    yield loss('markup', summary='A [red] loss [/]')", message="A [red]"),
    "very_long": shown(HOOK + "    yield loss('very_long' + 80 * 'g')"),
    # --- its names
    "object": Bad(
        label="shown",
        message="A loss",
        body=LOSS.replace(
            "@hookimpl",
            "class Plugin:\n  @hookimpl\n  def cganzoo_losses(self):\n    yield loss('object')\nplugin = Plugin()\n",
        ),
        entry_points=b"[cganzoo]\n{name} = cganzoo_{name}:plugin\n",
        kept=True,
    ),
    "stolen_module": Bad(
        message="cganzoo_good is already loaded as cganzoo-good/good",
        entry_points=b"[cganzoo]\n{name} = cganzoo_good\n",
    ),
    "stolen_digits": Bad(
        label="clash",
        message='the dataset "digits" is in cganzoo 0.1.0 and cganzoo-stolen-digits 1.0; "digits" means the one of '
        'cganzoo; for the other write "cganzoo-stolen-digits/digits"',
        body="from cganzoo import Config, DatasetSpec, hookimpl\n@hookimpl\ndef cganzoo_datasets():\n"
        "    yield DatasetSpec(name='digits', summary='Mine', config=Config, build=None)\n",
        kept=True,
    ),
    # --- its metadata
    "older_host": Bad(
        message=f"incompatible: wants cganzoo<0.1, running {__version__}",
        metadata=metadata("Requires-Dist: cganzoo<0.1\n"),
    ),
    "missing_attribute": Bad(
        message="importing cganzoo_missing_attribute:plugin raised AttributeError: module 'cganzoo_missing_attribute'",
        entry_points=b"[cganzoo]\n{name} = cganzoo_{name}:plugin\n",
    ),
    "no_module": Bad(
        message='its entry point no_module = "!!" names no module', entry_points=b"[cganzoo]\n{name} = !!\n"
    ),
    "entry_points_syntax": Bad(
        message="its entry_points.txt cannot be read (", entry_points=b"[cganzoo]\nno equals sign\n"
    ),
    "entry_points_latin": Bad(
        message="its entry_points.txt cannot be read (UnicodeDecodeError",
        entry_points="[cganzoo]\n{name} = cganzoo_{name}\n# \xe9\n".encode("latin-1"),
    ),
    "metadata_missing": Bad(message="its METADATA is missing, as after an interrupted install", metadata=None),
    "metadata_latin": Bad(
        message="its METADATA cannot be read (UnicodeDecodeError",
        metadata=metadata("Author: X\n").replace(b"X", b"\xe9"),
    ),
    "no_version": Bad(message="its METADATA has no version; reinstall it", metadata=metadata("", version="")),
    "invalid_version": Bad(
        message='its version "newest" is not a valid version of a Python package, such as "1.0"', version="newest"
    ),
    "invalid_requirement": Bad(
        label="note",
        message='its METADATA requires "cganzoo >>> 1", which is invalid and ignored',
        metadata=metadata("Requires-Dist: cganzoo >>> 1\n"),
        kept=True,
    ),
    "invalid_marker": Bad(
        label="note",
        message="its METADATA requires \"x; os_name ~= 'a'\", which is invalid and ignored",
        metadata=metadata("Requires-Dist: x; os_name ~= 'a'\n"),
        kept=True,
    ),
}
"""By name; the tests write their files."""

BAD = FOLDERS | WRITTEN


def distribution(name: str) -> str:
    """Name of the distribution of a bad plugin."""
    return f"cganzoo-{name.replace('_', '-')}"


def distributions(names: Iterable[str]) -> set[str]:
    return set(map(distribution, names))


def write_all(site: Path, *, except_for: Iterable[str] = ()) -> list[str]:
    """Write those of :data:`WRITTEN` into ``site``; returns the entries of sys.path that hold all bad plugins."""
    left_out = set(except_for)
    for name in WRITTEN.keys() - left_out:
        WRITTEN[name].write(site, name)
    return [str(site), *(str(FOLDER / name) for name in (*FOLDERS, "good") if name not in left_out)]


# --- what the tests of the registry ask ------------------------------------------------------------------------------


def load(*required: str) -> Registry:
    """The plugins that are installed here, or those required; none of the host."""
    return load_plugins(required or None, builtin=())


def names(registry: Registry) -> set[str]:
    """Full names of all components."""
    return {component.full_name for component in registry.components()}


def imported() -> set[str]:
    """Modules of plugins that are imported."""
    return {name for name in sys.modules if name.startswith("cganzoo_")}
