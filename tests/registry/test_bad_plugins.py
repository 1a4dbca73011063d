"""Sixty bad plugins at once: what needs none of them is untouched, and `cganzoo plugins` tells what is wrong with each.

Twelve are folders in ``data/broken_plugins``; the others are written from the table below.
"""

from __future__ import annotations

import copy
import functools
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cganzoo import __version__
from cganzoo.cli.main import main
from cganzoo.cli.plugin_list import show_plugins
from cganzoo.console.streams import printable
from cganzoo.errors import PluginError
from cganzoo.registry import load_plugins, probe
from cganzoo.registry.probe import Inventory
from cganzoo.testing import verdict

BROKEN = Path(__file__).parents[1] / "fixtures" / "broken_plugins"

LOSS = """
from cganzoo import Config, LossSpec, hookimpl

def loss(name, **changed):
    fields = {"name": name, "summary": "A loss", "config": Config, "build": lambda config, context: None}
    return LossSpec(**(fields | changed))

@hookimpl
def cganzoo_losses():
    yield loss(__name__.removeprefix("cganzoo_"))
"""
HOOK = LOSS[: LOSS.index("    yield")]


@dataclass(frozen=True, kw_only=True)
class Bad:
    """A distribution ``cganzoo-<name>`` and what is told of it.

    Attributes:
        body: its module.
        says: what the line that ``label`` begins holds after name and version.
        label: ``failed``, ``note``, ``clash``, or ``shown``: a row of the table of components.
        fatal: ends or blocks a process that loads it, so that only another process can tell.
        kept: whether its component is there all the same.
    """

    says: str
    body: str = LOSS
    label: str = "failed"
    fatal: bool = False
    kept: bool = False
    metadata: bytes | None = b"Metadata-Version: 2.1\nName: cganzoo-{name}\nVersion: 1.0\nRequires-Dist: cganzoo>=0.1\n"
    entry_points: bytes = b"[cganzoo]\n{name} = cganzoo_{name}\n"
    version: str = "1.0"


def note(says: str, body: str, loss: str = LOSS, **more: Any) -> Bad:
    return Bad(says=says, body=f"{body}\n{loss}", label="note", kept=True, **more)


def metadata(more: str, version: str = "Version: 1.0\n") -> bytes:
    return f"Metadata-Version: 2.1\nName: cganzoo-{{name}}\n{version}{more}".encode()


FOLDERS = {
    "missing_dependency": Bad(
        says='importing cganzoo_missing_dependency needs the module "cganzoo_nowhere", which is not installed'
    ),
    "misspelt_hook": Bad(says="there is no hook cganzoo_loses; did you mean cganzoo_losses?"),
    "unknown_argument": Bad(says="Argument(s) {'recipe'} are declared in the hookimpl but can not be found"),
    "hook_raises": Bad(says="cganzoo_losses raised ZeroDivisionError: the sky fell", kept=True),
    "bad_component_name": Bad(says="cganzoo_losses raised ValueError: component name 'Bad-Name' is not lower snake"),
    "yields_string": Bad(says="cganzoo_losses yields str where LossSpec belongs"),
    "wrapper": Bad(says="cganzoo_losses is a hook wrapper; only the plain @hookimpl is allowed"),
    "top_level_torch": Bad(label="note", says="imports torch when it is loaded; import inside build", kept=True),
    "system_exit": Bad(says="importing cganzoo_system_exit raised SystemExit: no GPU, no plugin"),
    "newer_host": Bad(says=f"incompatible: wants cganzoo>=9, running {__version__}"),
    "stolen_component": Bad(
        label="clash",
        says='the loss "good" is in cganzoo-good 1.0 and cganzoo-stolen-component 1.0; '
        'write "cganzoo-good/good" or "cganzoo-stolen-component/good"',
        kept=True,
    ),
    "stolen_entry_point": Bad(
        label="clash",
        says='the entry point "good" is in cganzoo-good 1.0 and cganzoo-stolen-entry-point 1.0; '
        "each is loaded all the same",
        kept=True,
    ),
}

WRITTEN = {
    # --- while it is imported
    "syntax_error": Bad(body="x = 1 +", says="importing cganzoo_syntax_error raised SyntaxError: invalid syntax"),
    "recursion": Bad(
        body="def dig():\n    return dig()\ndig()", says="importing cganzoo_recursion raised RecursionError: maximum"
    ),
    "base_exception": Bad(
        body="class Doom(BaseException):\n    pass\nraise Doom('now')",
        says="importing cganzoo_base_exception raised Doom: now",
    ),
    "unprintable": Bad(
        body="class Doom(Exception):\n    def __str__(self):\n        raise self\nraise Doom",
        says="importing cganzoo_unprintable raised Doom",
    ),
    "interrupt": Bad(
        body="raise KeyboardInterrupt", says="importing cganzoo_interrupt raised KeyboardInterrupt", fatal=True
    ),
    "os_exit": Bad(
        body="import os\nos._exit(3)",
        says="importing cganzoo_os_exit ended the process with exit code 3",
        fatal=True,
    ),
    "abort": Bad(
        body="import os\nos.abort()", says="importing cganzoo_abort crashed the process (SIGABRT)", fatal=True
    ),
    "segmentation_fault": Bad(
        body="import os, signal\nsignal.signal(signal.SIGSEGV, signal.SIG_DFL)\nimport ctypes\nctypes.string_at(0)",
        says="importing cganzoo_segmentation_fault crashed the process (SIGSEGV)",
        fatal=True,
    ),
    "hangs": Bad(
        body="while True:\n    pass",
        says="importing cganzoo_hangs took longer than 5 s and was stopped",
        fatal=True,
    ),
    "waits_for_input": Bad(body="input()", says="importing cganzoo_waits_for_input raised EOFError", fatal=True),
    "closes_files": Bad(
        body="import os, time\nos.closerange(3, 256)\ntime.sleep(60)",
        says="importing cganzoo_closes_files closed the files of the process",
        fatal=True,
    ),
    "forks": Bad(
        body="import os, time\nif not os.fork():\n    time.sleep(60)\n    os._exit(0)\nos._exit(5)",
        says="importing cganzoo_forks ended the process with exit code 5",
        fatal=True,
    ),
    "writes_everywhere": Bad(
        body="import os, stat\nfor file in range(3, 64):\n    try:\n        if stat.S_ISFIFO(os.fstat(file).st_mode):\n"
        "            os.write(file, b'{\"end\": true}\\n')\n    except OSError:\n        pass\n" + LOSS,
        says="importing cganzoo_writes_everywhere wrote into the pipe of the host",
        fatal=True,
    ),
    # --- its hooks and what they yield
    "hook_recursion": Bad(
        body=HOOK + "    yield from cganzoo_losses()",
        says="cganzoo_losses raised RecursionError: maximum recursion depth",
    ),
    "hook_exits": Bad(
        body=HOOK + "    import os\n    os._exit(0)",
        says="cganzoo_losses ended the process with exit code 0",
        fatal=True,
    ),
    "no_hook": Bad(body="x = 1", says="implements no hook; mark its functions with @cganzoo.hookimpl"),
    "raises_midway": Bad(
        body=LOSS + "    raise RuntimeError('midway')", says="cganzoo_losses raised RuntimeError: midway", kept=True
    ),
    "endless": Bad(
        body=HOOK + "    import itertools\n    yield from (loss(f'l{n}') for n in itertools.count())",
        says="cganzoo_losses does not come to an end: it yields more than 100 components",
    ),
    "twice": Bad(body=LOSS + "    yield loss('twice')", says='cganzoo_losses yields the loss "twice" twice', kept=True),
    "no_config": Bad(
        body=HOOK + "    yield loss('no_config', config=dict)",
        says="cganzoo_losses raised ValueError: no_config: config must be a subclass of cganzoo.Config",
    ),
    "no_schema": Bad(
        body=HOOK + "    class Odd:\n        pass\n    class OddConfig(Config):\n        odd: Odd = None\n"
        "    yield loss('no_schema', config=OddConfig)",
        says='building the options of the loss "no_schema" raised Pydantic',
    ),
    "wrong_default": Bad(
        body=HOOK + "    class Wide(Config):\n        width: int = 'wide'\n"
        "    yield loss('wrong_default', config=Wide)",
        says='the loss "wrong_default": the default of "width" does not fit: Input should be a valid integer',
    ),
    "alias": Bad(
        body=HOOK + "    from pydantic import Field\n    class Odd(Config):\n"
        "        width: int = Field(1, alias='z\\x1b[2J\\nq = 1')\n    yield loss('alias', config=Odd)",
        says="the loss \"alias\": the option 'z\\x1b[2J\\nq = 1' is no key that TOML takes without quotes",
    ),
    "alias_within": Bad(
        body=HOOK
        + "    from pydantic import Field\n    class Odd(Config):\n        width: int = Field(1, alias='a b')\n"
        "    class Outer(Config):\n        inner: Odd = Odd()\n    yield loss('alias_within', config=Outer)",
        says="the loss \"alias_within\": the option 'a b' is no key that TOML takes without quotes",
    ),
    "conditioning": Bad(
        body=HOOK + "    yield loss('conditioning', conditioning=lambda config: config.nothing)",
        says='describing the loss "conditioning" raised AttributeError',
    ),
    "control_codes": note(
        'the summary of the loss "control_codes" holds control characters',
        "",
        HOOK + "    yield loss('control_codes', summary='A \\x1b[2J\\x1b[31m\\u202e loss')",
    ),
    "long_summary": note(
        'the summary of the loss "long_summary" has 10,000 characters',
        "",
        HOOK + "    yield loss('long_summary', summary='x' * 10_000)",
    ),
    "markup": Bad(
        label="shown", says="A [red]", body=HOOK + "    yield loss('markup', summary='A [red] loss [/]')", kept=True
    ),
    "very_long": Bad(label="shown", says="A loss", body=HOOK + "    yield loss('very_long' + 80 * 'g')", kept=True),
    "object": Bad(
        label="shown",
        says="A loss",
        body=LOSS.replace(
            "@hookimpl",
            "class Plugin:\n  @hookimpl\n  def cganzoo_losses(self):\n    yield loss('object')\nplugin = Plugin()\n",
        ),
        entry_points=b"[cganzoo]\n{name} = cganzoo_{name}:plugin\n",
        kept=True,
    ),
    # --- names
    "stolen_module": Bad(
        says="cganzoo_good is already loaded as cganzoo-good/good", entry_points=b"[cganzoo]\n{name} = cganzoo_good\n"
    ),
    "stolen_digits": Bad(
        label="clash",
        says='the dataset "digits" is in cganzoo 0.1.0 and cganzoo-stolen-digits 1.0; "digits" means the one of '
        'cganzoo itself; for the other write "cganzoo-stolen-digits/digits"',
        body="from cganzoo import Config, DatasetSpec, hookimpl\n@hookimpl\ndef cganzoo_datasets():\n"
        "    yield DatasetSpec(name='digits', summary='Mine', config=Config, build=None)\n",
        kept=True,
    ),
    # --- what belongs to the program
    "prints": note('prints when it is loaded: "hello', 'print("hello\\nworld")'),
    "writes": note('prints when it is loaded: "raw', 'import os\nos.write(1, b"raw")'),
    "writes_at_exit": note(
        'prints when the program ends: "bye', 'import atexit\natexit.register(lambda: print("bye"))'
    ),
    "slow": note("s to load", "import time\ntime.sleep(0.6)"),
    "folder": note("changes the working directory; this is undone", "import os\nos.chdir('/')"),
    "import_path": note("changes sys.path; this is undone", "import sys\nsys.path.insert(0, '/nowhere')"),
    "filters": note("changes the warning filters; this is undone", "import warnings\nwarnings.simplefilter('ignore')"),
    "log_level": note(
        "changes the logging of the program; this is undone",
        "import logging\nlogging.basicConfig(level=logging.DEBUG)",
    ),
    "environment": note(
        "changes the environment; this is undone", "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '7'"
    ),
    "standard_output": note(
        "changes sys.stdout, sys.stderr; this is undone",
        "import io, sys\nsys.stdout = sys.stderr = io.StringIO()",
    ),
    "recursion_limit": note(
        "changes the recursion limit; this is undone", "import sys\nsys.setrecursionlimit(1_000_000)"
    ),
    "finder": note(
        "changes sys.meta_path; this is undone",
        "import sys\nclass Finder:\n    def find_spec(self, name, path=None, target=None):\n"
        "        raise RuntimeError(name)\nsys.meta_path.insert(0, Finder())",
    ),
    "path_hooks": note("changes sys.path_hooks; this is undone", "import sys\nsys.path_hooks.insert(0, str)"),
    "modules": Bad(
        says="changes the modules of cganzoo; this is undone",
        label="note",
        body=LOSS + "    import sys\n    for name in [name for name in sys.modules if name.startswith('cganzoo.')]:\n"
        "        del sys.modules[name]\n",
        kept=True,
    ),
    "signal_handler": note(
        "changes the signal handlers; this is undone",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
    ),
    "timer": note(
        "changes the timers, the signal handlers; this is undone",
        "import signal\nsignal.signal(signal.SIGALRM, lambda *_: None)\nsignal.setitimer(signal.ITIMER_REAL, 3600)",
    ),
    "thread": note(
        "starts a thread that goes on",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
        fatal=True,
    ),
    # --- metadata
    "older_host": Bad(
        says=f"incompatible: wants cganzoo<0.1, running {__version__}",
        metadata=metadata("Requires-Dist: cganzoo<0.1\n"),
    ),
    "missing_attribute": Bad(
        says="importing cganzoo_missing_attribute:plugin raised AttributeError: module 'cganzoo_missing_attribute' has",
        entry_points=b"[cganzoo]\n{name} = cganzoo_{name}:plugin\n",
    ),
    "no_module": Bad(says='its entry point no_module = "!!" names no module', entry_points=b"[cganzoo]\n{name} = !!\n"),
    "entry_points_syntax": Bad(
        says="its entry_points.txt cannot be read (", entry_points=b"[cganzoo]\nno equals sign\n"
    ),
    "entry_points_latin": Bad(
        says="its entry_points.txt cannot be read (UnicodeDecodeError",
        entry_points="[cganzoo]\n{name} = cganzoo_{name}\n# \xe9\n".encode("latin-1"),
    ),
    "metadata_missing": Bad(says="its METADATA is missing, as after an interrupted install", metadata=None),
    "metadata_latin": Bad(
        says="its METADATA cannot be read (UnicodeDecodeError", metadata=metadata("Author: X\n").replace(b"X", b"\xe9")
    ),
    "no_version": Bad(says="its METADATA names no version; install it anew", metadata=metadata("", version="")),
    "invalid_version": Bad(
        says='its version "newest" is none that Python packages can have, such as "1.0"',
        metadata=metadata("", version="Version: newest\n"),
        version="newest",
    ),
    "invalid_requirement": Bad(
        label="note",
        says='its METADATA requires "cganzoo >>> 1", which cannot be read and is ignored',
        metadata=metadata("Requires-Dist: cganzoo >>> 1\n"),
        kept=True,
    ),
    "invalid_marker": Bad(
        label="note",
        says="its METADATA requires \"x; os_name ~= 'a'\", which cannot be read and is ignored",
        metadata=metadata("Requires-Dist: x; os_name ~= 'a'\n"),
        kept=True,
    ),
}
BAD = FOLDERS | WRITTEN
SURVIVABLE = {name for name, bad in BAD.items() if not bad.fatal}


def write(folder: Path, name: str, bad: Bad) -> None:
    """The distribution as an installer, or what came after it, left it in ``folder``."""
    info = folder / f"cganzoo_{name}-{bad.version}.dist-info"
    info.mkdir(parents=True)
    (folder / f"cganzoo_{name}.py").write_text(bad.body)
    if bad.metadata is not None:
        (info / "METADATA").write_bytes(bad.metadata.replace(b"{name}", name.encode()))
    (info / "entry_points.txt").write_bytes(bad.entry_points.replace(b"{name}", name.encode()))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The entries of sys.path that hold all bad plugins and a good one."""
    site = tmp_path_factory.mktemp("site")
    for name, bad in WRITTEN.items():
        write(site, name, bad)
    return [str(site), *(str(BROKEN / name) for name in (*FOLDERS, "good"))]


@pytest.fixture
def installed(folders: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All bad plugins, installed in this process."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [*folders, *sys.path])
    importlib.invalidate_caches()
    yield
    for module in imported_of({*sys.modules} - before):
        del sys.modules[module]


def imported_of(modules: set[str]) -> set[str]:
    return {name for name in modules if name.removeprefix("cganzoo_") in {*BAD, "good"} and name.startswith("cganzoo_")}


@pytest.fixture(scope="module")
def inventory(folders: list[str], tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    """What another process finds with all of them installed, and a torch that takes no time to import."""
    torch = tmp_path_factory.mktemp("torch")
    (torch / "torch.py").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(torch), *folders, *sys.path])
        patch.setattr(probe, "PATIENCE", 5.0)
        return probe.inspect()


@pytest.fixture
def show(inventory: Inventory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """``show(name=None, as_json=False, width=80)``: both outputs of `cganzoo plugins` there."""

    def shown(name: str | None = None, *, as_json: bool = False, width: int = 80) -> tuple[str, str]:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(
            "cganzoo.cli.plugin_list.stdout_console", functools.partial(Console, force_terminal=True, color_system=None)
        )
        monkeypatch.setattr("cganzoo.cli.plugin_list.inspect", lambda waiting: copy.deepcopy(inventory))
        show_plugins(name, as_json=as_json)
        captured = capsys.readouterr()
        return captured.out, captured.err

    return shown


def test_how_many_there_are() -> None:
    assert len(BAD) >= 30
    assert {path.name for path in BROKEN.iterdir()} == {*FOLDERS, "good"}
    print(f"{len(BAD)} bad plugins")


# --- what is told ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_told_in_one_line(show: Any, name: str) -> None:
    bad = BAD[name]
    out, err = show()
    distribution = f"cganzoo-{name.replace('_', '-')}"
    if bad.label == "shown":
        (line,) = [line for line in out.splitlines() if line.startswith(name) and distribution in line]
        assert bad.says in line
        return
    about = "" if bad.label == "clash" else rf"{distribution} {re.escape(bad.version)}: .*"
    pattern = rf"{bad.label}: {about}{re.escape(bad.says)}"
    assert [line for line in err.splitlines() if re.match(pattern, line)], err


def test_every_line_names_one_of_them(show: Any) -> None:
    _, err = show()
    named = {f"cganzoo-{name.replace('_', '-')}" for name in (*BAD, "good")}
    for line in err.splitlines():
        assert re.match(r"(failed|note|clash): ", line), line
        assert any(name in line for name in named), line
    lines = [line for line in err.splitlines() if not line.startswith("clash")]
    assert len(lines) == len(set(lines))


def test_what_a_bad_plugin_does_provide_is_there(inventory: Inventory) -> None:
    found = {entry["distribution"] for entry in inventory["components"]}
    kept = {f"cganzoo-{name.replace('_', '-')}" for name, bad in BAD.items() if bad.kept}
    refused = {f"cganzoo-{name.replace('_', '-')}" for name, bad in BAD.items() if not bad.kept}
    assert kept <= found
    assert not refused & found
    assert {"cganzoo", "cganzoo-good", "cganzoo-amgan"} <= found
    failed = {failure["distribution"] for failure in inventory["failures"]}
    assert failed == {f"cganzoo-{name.replace('_', '-')}" for name, bad in BAD.items() if bad.label == "failed"}


def test_the_tables_stay_in_their_width(show: Any) -> None:
    for width in (80, 120):
        out, _ = show(width=width)
        assert max(map(len, out.splitlines())) <= width
        assert out.isprintable() or set(filter(lambda character: not character.isprintable(), out)) == {"\n"}
    rows = [line for line in out.splitlines() if line.startswith("long_summary")]
    assert len(rows) == 1
    assert rows[0].endswith("…")
    assert "A \\x1b[2J\\x1b[31m\\u202e loss" in out


def test_as_json(show: Any) -> None:
    out, err = show(as_json=True)
    found = json.loads(out)
    assert found["host"] == __version__
    assert len(found["failures"]) > 20
    assert {"distribution", "version", "reason"} <= found["failures"][0].keys()
    assert {clash["what"] for clash in found["clashes"]} == {"loss", "dataset", "entry point", "module"}
    assert [one["distribution"] for one in found["plugins"] if one["imported_torch"]] == ["cganzoo-top-level-torch"]
    assert err == ""


def test_asking_for_a_bad_one_is_answered_with_what_is_wrong(show: Any) -> None:
    with pytest.raises(PluginError, match=r"^cganzoo-os-exit 1\.0: importing cganzoo_os_exit ended the process"):
        show("cganzoo-os-exit")
    with pytest.raises(PluginError, match=r"^cganzoo-hangs 1\.0: importing cganzoo_hangs took longer than 5 s"):
        show("hangs")
    out, err = show("cganzoo-stolen-component/good")
    assert 'name = "cganzoo-stolen-component/good"' in out
    assert err.startswith('clash: the loss "good"')
    out, _ = show("markup")
    assert "A [red] loss [/]" in out
    out, err = show("long_summary")
    assert len(out) < 1500


# --- what needs none of them ----------------------------------------------------------------------------------------


def run(*commands: list[str], path: list[str], more: str = "") -> subprocess.CompletedProcess[str]:
    """The commands, one after another in one process, and the modules that they imported."""
    code = (
        "import sys\nfrom cganzoo.cli.main import main\n"
        f"for arguments in {commands!r}:\n"
        "    try:\n        main(arguments)\n    except SystemExit as ended:\n        print('ENDED', ended.code)\n"
        f"{more}"
        "print('MODULES', sorted(name for name in sys.modules if name.startswith('cganzoo_')), file=sys.stderr)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    environment.pop("CGANZOO_LOAD_PLUGINS", None)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)


RESOLVE = (
    "from cganzoo.recipe.read import load_recipe\nfrom cganzoo.recipe.resolve import resolve\n"
    "print(resolve(load_recipe('amgan_digits')).recipe_digest())\n"
)


def test_help_recipes_and_a_recipe_of_others_are_untouched(folders: list[str]) -> None:
    commands = (["--help"], ["recipes"])
    without = run(*commands, path=[], more=RESOLVE)
    beside = run(*commands, path=folders, more=RESOLVE)
    assert without.stdout.count("ENDED 0") == 2
    assert (beside.returncode, beside.stdout, beside.stderr) == (0, without.stdout, without.stderr)
    assert "'cganzoo_amgan'" in beside.stderr
    assert not [name for name in BAD if f"cganzoo_{name}'" in beside.stderr]


def test_a_plugin_of_other_libraries_too_is_not_loaded_by_them(tmp_path: Path) -> None:
    spied = "[pydantic]\nx = cganzoo_{name}_spy\n[torch.backends]\nx = cganzoo_{name}_spy\n"
    write(tmp_path, "thief", Bad(says="", entry_points=b"[cganzoo]\n{name} = cganzoo_{name}\n" + spied.encode()))
    (tmp_path / "cganzoo_thief_spy.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nraise SystemExit(7)")
    seen = "from importlib import metadata\nprint('TORCH', len(metadata.entry_points(group='torch.backends')))\n"
    others = run(["recipes"], path=[str(tmp_path)], more=RESOLVE + seen)
    assert others.returncode == 0, others.stderr
    assert "thief" not in others.stderr
    assert "TORCH 0" in others.stdout
    listed = run(["plugins", "--json"], path=[str(tmp_path)])
    assert "thief" in {one["component"] for one in json.loads(listed.stdout.split("ENDED")[0])["components"]}
    assert not (tmp_path / "ran").exists()
    # What is no plugin of ours keeps its entry points, and without us it would have run.
    (tmp_path / "cganzoo_thief-1.0.dist-info" / "entry_points.txt").write_text("[torch.backends]\nx = y\n")
    assert "TORCH 1" in run(["recipes"], path=[str(tmp_path)], more=seen).stdout


@pytest.mark.usefixtures("installed")
def test_a_run_that_needs_none_of_them(tiny_file: Path, tmp_path: Path) -> None:
    before = imported_of(set(sys.modules))
    with pytest.raises(SystemExit) as ended:
        main(["run", str(tiny_file), "--set", "train.steps=1", "--out", str(tmp_path / "runs")])
    assert ended.value.code == 0
    assert imported_of(set(sys.modules)) == before


def test_commands_that_load_every_plugin_survive_what_a_process_can(folders: list[str], tmp_path: Path) -> None:
    for name in SURVIVABLE - {*FOLDERS}:
        write(tmp_path / "site", name, WRITTEN[name])
    state = (
        "import os, logging, signal, warnings\n"
        "before = (os.getcwd(), sys.path[:], sys.getrecursionlimit(), dict(os.environ))\n"
        "hooked = (sys.meta_path[:], sys.path_hooks[:])\n"
        "zoo = {name: module for name, module in sys.modules.items() if name.startswith('cganzoo.')}\n"
    )
    code = (
        "from cganzoo.registry import load_plugins\n"
        f"import sys\n{state}"
        "output = sys.stdout\n"
        "found = load_plugins()\n"
        "assert sys.stdout is output\n"
        "assert before == (os.getcwd(), sys.path, sys.getrecursionlimit(), dict(os.environ))\n"
        "assert logging.root.handlers == []\n"
        "assert hooked == (sys.meta_path, sys.path_hooks)\n"
        "assert zoo.items() <= sys.modules.items()\n"
        "assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
        "print(found.get('dataset', 'digits').provider.distribution)\n"
    )
    # The real torch would take its time.
    survivable = [str(tmp_path / "site"), *(path for path in folders[1:] if not path.endswith("top_level_torch"))]
    ended = run(["schema"], path=survivable, more=code)
    assert ended.returncode == 0, ended.stderr
    schema, rest = ended.stdout.split("ENDED 0\n")
    assert "digits" in json.dumps(json.loads(schema)["$defs"]["dataset"])
    # A handler that is run at the end may print; what is printed while loading may not.
    assert rest in ("cganzoo\n", "cganzoo\nbye\n", "cganzoo\nbye\nbye\n")
    failed = {name for name in SURVIVABLE if BAD[name].label == "failed"}
    assert ended.stderr.count("failed: ") == len(failed)


def test_commands_that_load_every_plugin_survive_those_that_end_the_process(tmp_path: Path) -> None:
    fatal = ("abort", "hook_exits", "interrupt", "os_exit", "waits_for_input")
    for name in fatal:
        write(tmp_path, name, BAD[name])
    ended = run(["schema"], ["data", "info", "elsewhere"], path=[str(tmp_path)])
    schema, rest = ended.stdout.split("ENDED 0\n")
    assert "digits" in json.dumps(json.loads(schema)["$defs"]["dataset"])
    told = [line for line in ended.stderr.splitlines() if line.startswith("failed: ")]
    assert [BAD[name].says in line for name, line in zip(fatal, told, strict=True)] == [True] * len(fatal)
    assert rest == "ENDED 2\n"
    assert '"elsewhere"' in ended.stderr


# --- what is asked for fails loudly ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "name",
    [
        name
        for name, bad in BAD.items()
        # These need a process of their own, or go wrong only beside another one, or where they are described.
        if bad.label == "failed" and not bad.fatal and name not in ("stolen_module", "conditioning")
    ],
)
def test_a_bad_plugin_that_is_required_is_an_error_of_one_sentence(name: str) -> None:
    distribution = f"cganzoo-{name.replace('_', '-')}"
    with pytest.raises(PluginError) as caught:
        load_plugins([distribution], builtin=())
    sentence = str(caught.value)
    assert sentence.startswith(f"{distribution} {BAD[name].version}: ")
    assert BAD[name].says in sentence
    assert "\n" not in sentence


def test_a_plugin_that_the_allow_list_leaves_out_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CGANZOO_LOAD_PLUGINS", "")
    sentence = (
        r'^there is no component or distribution "amgan"; cganzoo-amgan 0\.1\.0 is installed and may provide it, '
        "but CGANZOO_LOAD_PLUGINS leaves it out$"
    )
    with pytest.raises(PluginError, match=sentence):
        verdict.find("amgan")


# --- the other process ----------------------------------------------------------------------------------------------


def test_a_process_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "START", "raise OSError('no room')")
    sentence = "^no plugin can be loaded: the start ended the process with exit code 1: OSError: no room$"
    with pytest.raises(PluginError, match=sentence):
        probe.inspect()


def test_windows_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe.os, "name", "nt")
    with pytest.raises(PluginError, match=r"^this command needs Linux or macOS"):
        probe.inspect()


def inspected(folder: Path, monkeypatch: pytest.MonkeyPatch, **bodies: str) -> Inventory:
    """What another process finds with nothing installed but plugins of these modules."""
    for name, body in bodies.items():
        write(folder, name, Bad(says="", body=body))
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.setenv("CGANZOO_LOAD_PLUGINS", ",".join(f"cganzoo-{name}" for name in bodies))
    return probe.inspect()


def test_a_plugin_that_changes_json_is_described_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patch = "import json\njson.dumps = lambda *arguments, **options: 'oops'\n"
    found = inspected(tmp_path, monkeypatch, forger=patch + LOSS, honest=LOSS)
    assert {"forger", "honest"} <= {component["component"] for component in found["components"]}
    assert not found["failures"]


DELAYED_EXIT = "import os, threading, time\nthreading.Thread(target=lambda: (time.sleep(0.2), os._exit(5))).start()\n"
SLEEP = "import time\ntime.sleep(0.6)\n"


def test_who_leaves_a_thread_that_ends_the_process_is_blamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = inspected(tmp_path, monkeypatch, culprit=DELAYED_EXIT + LOSS, innocent=SLEEP + LOSS, later=LOSS)
    (failure,) = found["failures"]
    assert failure["distribution"] == "cganzoo-culprit"
    assert failure["reason"] == (
        "leaves a thread that is likely to blame: beside it, importing cganzoo_innocent ended the process with exit "
        "code 5, which goes well alone"
    )
    assert {"culprit", "innocent", "later"} <= {component["component"] for component in found["components"]}
    survivors = probe.load_survivors()
    assert {"innocent", "later"} == {one.name for one in survivors.components("loss")}
    assert [failure.provider.distribution for failure in survivors.failures] == ["cganzoo-culprit"]


def test_an_innocent_plugin_is_kept_where_nobody_knows_who_ended_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = "import os, time\nparent = os.getpid()\nif not os.fork():\n    time.sleep(0.2)\n    os.kill(parent, 9)\n"
    found = inspected(tmp_path, monkeypatch, culprit=killer + "    os._exit(0)\n" + LOSS, innocent=SLEEP + LOSS)
    assert not found["failures"]
    assert {"culprit", "innocent"} <= {component["component"] for component in found["components"]}
    (note,) = [one["note"] for one in found["notes"] if "alone" in one["note"]]
    assert note == (
        "importing cganzoo_innocent crashed the process (SIGKILL), but not when it is loaded alone: it was something "
        "that another plugin left"
    )


def test_an_allow_list_holds_there_too(inventory: Inventory, folders: list[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "path", [*folders, *sys.path])
    monkeypatch.setenv("CGANZOO_LOAD_PLUGINS", "cganzoo-good")
    found = probe.inspect()
    assert {one["distribution"] for one in found["plugins"]} == {"cganzoo", "cganzoo-good"}
    assert not found["failures"]
    assert len(found["unloaded"]) > len(BAD) - 5
    monkeypatch.setenv("CGANZOO_LOAD_PLUGINS", "cganzoo-nothere")
    with pytest.raises(PluginError, match=r'^CGANZOO_LOAD_PLUGINS: "cganzoo-nothere" is not installed'):
        probe.inspect()


def test_control_codes_of_others_are_spelt_out() -> None:
    assert printable("Fréchet …\nline") == "Fréchet …\nline"
    assert printable("\x1b[2J\r\u202e\udcff") == "\\x1b[2J\\r\\u202e\\udcff"
