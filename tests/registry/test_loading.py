"""The loader, on plugins that are broken in every way we could think of. Nothing that is really installed is seen."""

from __future__ import annotations

import importlib
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cganzoo import __version__
from cganzoo.errors import PluginError
from cganzoo.registry import KIND_OF_HOOK, Registry, guard, load_plugins

BROKEN = Path(__file__).parents[1] / "fixtures" / "broken_plugins"

# What each broken plugin's failure says after its name and version; None: it loads, and the trouble shows later.
TWELVE: dict[str, str | None] = {
    "missing_dependency": (
        'importing cganzoo_missing_dependency needs the module "cganzoo_nowhere", which is not installed'
    ),
    "misspelt_hook": "there is no hook cganzoo_loses; did you mean cganzoo_losses?",
    "unknown_argument": "Argument(s) {'recipe'} are declared in the hookimpl but can not be found in the hookspec",
    "hook_raises": "cganzoo_losses raised ZeroDivisionError: the sky fell",
    "bad_component_name": (
        "cganzoo_losses raised ValueError: component name 'Bad-Name' is not lower snake case ([a-z][a-z0-9_]*)"
    ),
    "yields_string": "cganzoo_losses yields str where LossSpec belongs",
    "wrapper": "cganzoo_losses is a hook wrapper; only the plain @hookimpl is allowed",
    "top_level_torch": None,
    "system_exit": "importing cganzoo_system_exit raised SystemExit: no GPU, no plugin",
    "newer_host": f"incompatible: wants cganzoo>=9, running {__version__}",
    "stolen_component": None,
    "stolen_entry_point": None,
}

LOSS = """
from cganzoo import Config, LossSpec, hookimpl

@hookimpl
def cganzoo_losses():
    yield LossSpec(name="{name}", summary="A loss", config=Config, build=lambda config, context: None)
"""


def write_plugin(folder: Path, name: str, body: str, version: str = "1.0", entry_points: str | None = None) -> Path:
    """A distribution ``cganzoo-<name>`` of one module, as an installer would leave it in ``folder``."""
    info = folder / f"cganzoo_{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (folder / f"cganzoo_{name}.py").write_text(body)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: cganzoo_{name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(
        f"[cganzoo]\n{name} = cganzoo_{name}\n" if entry_points is None else entry_points
    )
    return folder


Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """``install(folder, ...)`` makes the distributions in these folders the only ones, beside a host with a zoo."""
    host = tmp_path / "host" / f"cganzoo-{__version__}.dist-info"
    host.mkdir(parents=True)
    (host / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: cganzoo\nVersion: {__version__}\nRequires-Dist: pluggy>=1.5\n"
        "Requires-Dist: cganzoo-always; python_version >= '3'\n"
        "Provides-Extra: zoo\n"
        + "".join(f"Requires-Dist: cganzoo-{name}>=0.1; extra == 'zoo'\n" for name in ("good", "tame", "two-words"))
    )
    (tmp_path / "host" / "torch.py").touch()

    stdlib = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    kept = [entry for entry in sys.path if "site-packages" not in entry and any(entry.startswith(s) for s in stdlib)]
    torch = sys.modules.pop("torch", None)
    monkeypatch.delenv("CGANZOO_LOAD_PLUGINS", raising=False)

    def install(*folders: Path | str) -> None:
        paths = [str(BROKEN / folder) for folder in folders]
        monkeypatch.setattr(sys, "path", [*paths, str(tmp_path / "host"), *kept])
        importlib.invalidate_caches()

    plugins = {name: sys.modules.pop(name) for name in [*sys.modules] if name.startswith("cganzoo_")}
    install()
    yield install
    for module in [name for name in sys.modules if name.startswith("cganzoo_")]:
        del sys.modules[module]
    sys.modules.update(plugins)  # other tests hold on to their classes
    sys.modules.pop("torch", None)
    if torch is not None:
        sys.modules["torch"] = torch


def load(*required: str) -> Registry:
    return load_plugins(required or None, builtin=())


def names(registry: Registry) -> set[str]:
    return {component.full_name for component in registry.components()}


def imported() -> set[str]:
    return {name for name in sys.modules if name.startswith("cganzoo_")}


def test_the_folder_holds_the_twelve_and_a_good_one() -> None:
    assert {path.name for path in BROKEN.iterdir()} == {*TWELVE, "good"}
    assert len(TWELVE) == 12


def test_every_hook_has_a_kind() -> None:
    from cganzoo import hookspecs

    assert {name for name in vars(hookspecs) if name.startswith("cganzoo_")} == set(KIND_OF_HOOK)


def test_a_good_plugin(install: Install) -> None:
    install("good")
    registry = load()
    assert not registry.failures
    component = registry.get("loss", "good")
    assert component is registry.get("loss", "cganzoo-good/good") is registry.get("loss", "CGANZOO_Good/good")
    assert component.provider.distribution == "cganzoo-good"
    assert component.provider.version == "1.0"
    assert component.provider.location == str(BROKEN / "good")
    (plugin,) = registry.plugins
    assert not plugin.imported_torch
    assert plugin.seconds > 0
    assert registry.components("generator") == ()


# --- the twelve -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "sentence"), [(name, sentence) for name, sentence in TWELVE.items() if sentence])
def test_a_broken_plugin_is_one_line_and_stops_nothing(install: Install, name: str, sentence: str) -> None:
    install("good", name)
    registry = load()
    (failure,) = registry.failures
    line = str(failure)
    assert line.startswith(f"cganzoo-{name.replace('_', '-')} 1.0: ")
    assert line.endswith(sentence)
    assert "\n" not in line
    assert registry.get("loss", "good").provider.distribution == "cganzoo-good"


@pytest.mark.parametrize("name", [name for name, sentence in TWELVE.items() if sentence])
def test_a_broken_plugin_that_is_required_is_an_error(install: Install, name: str) -> None:
    install("good", name)
    distribution = f"cganzoo-{name.replace('_', '-')}"
    with pytest.raises(PluginError) as caught:
        load("cganzoo-good", distribution)
    assert str(caught.value).startswith(f"{distribution} 1.0: ")
    assert str(caught.value).endswith(str(TWELVE[name]))
    assert caught.value.__cause__ is not None


def test_a_plugin_for_a_newer_host_is_not_imported(install: Install) -> None:
    install("newer_host")
    load()
    assert imported() == set()


def test_a_raising_hook_hides_no_other_hook(install: Install) -> None:
    install("hook_raises")
    registry = load()
    assert names(registry) == {"cganzoo-hook-raises/survivor"}
    assert "ZeroDivisionError: the sky\nfell" in registry.failures[0].traceback


def test_torch_at_the_top_is_noted(install: Install) -> None:
    install("good", "top_level_torch")
    registry = load()
    assert {plugin.provider.distribution: plugin.imported_torch for plugin in registry.plugins} == {
        "cganzoo-good": False,
        "cganzoo-top-level-torch": True,
    }
    assert registry.get("loss", "heavy")
    assert registry.plugins[1].notes == ("imports torch when it is loaded; import inside build",)


def test_equal_component_names_are_both_kept_and_the_bare_one_is_an_error(install: Install) -> None:
    install("stolen_component", "good")
    registry = load()
    assert names(registry) == {"cganzoo-good/good", "cganzoo-stolen-component/good"}
    with pytest.raises(PluginError) as caught:
        registry.get("loss", "good")
    assert str(caught.value) == (
        'more than one distribution provides a loss "good"; '
        'write "cganzoo-good/good" or "cganzoo-stolen-component/good"'
    )
    for distribution in ("cganzoo-good", "cganzoo-stolen-component"):
        assert registry.get("loss", f"{distribution}/good").provider.distribution == distribution
    assert load("cganzoo-good").get("loss", "good").provider.distribution == "cganzoo-good"


def test_equal_entry_point_names_stand_for_two_plugins(install: Install) -> None:
    install("stolen_entry_point", "good")
    assert names(load()) == {"cganzoo-good/good", "cganzoo-stolen-entry-point/impostor"}


def test_all_twelve_at_once(install: Install) -> None:
    install(*TWELVE, "good")
    registry = load()
    assert names(registry) == {
        "cganzoo-good/good",
        "cganzoo-hook-raises/survivor",
        "cganzoo-stolen-component/good",
        "cganzoo-stolen-entry-point/impostor",
        "cganzoo-top-level-torch/heavy",
    }
    assert {failure.provider.distribution for failure in registry.failures} == {
        f"cganzoo-{name.replace('_', '-')}" for name, sentence in TWELVE.items() if sentence
    }


def test_an_allow_list_imports_nothing_else(install: Install) -> None:
    install(*TWELVE, "good")
    registry = load("cganzoo-good")
    assert names(registry) == {"cganzoo-good/good"}
    assert imported() == {"cganzoo_good"}
    assert "torch" not in sys.modules
    assert len(registry.unloaded) == 12


# --- more ways to misbehave -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("def dig():\n    return dig()\ndig()", "importing cganzoo_bad raised RecursionError: maximum recursion depth"),
        (
            "from cganzoo import hookimpl\n@hookimpl\ndef cganzoo_losses():\n    yield from cganzoo_losses()",
            "cganzoo_losses raised RecursionError: maximum recursion depth",
        ),
        (
            "from cganzoo import hookimpl\n@hookimpl\ndef cganzoo_losses():\n    pass",
            "cganzoo_losses returns NoneType; yield each LossSpec",
        ),
        ("def cganzoo_losses():\n    yield None", "implements no hook; mark its functions with @cganzoo.hookimpl"),
        ("x = 1 +", "importing cganzoo_bad raised SyntaxError: invalid syntax"),
        ("raise SystemExit", "importing cganzoo_bad raised SystemExit"),
        (
            LOSS.format(name="half") + '    yield "half"',
            "cganzoo_losses yields str where LossSpec belongs",
        ),
        (
            LOSS.format(name="same") + LOSS.format(name="same").splitlines()[-1],
            'cganzoo_losses yields the loss "same" twice',
        ),
        ("from cganzoo import hookimpl\n@hookimpl\ndef cganzoo_zzz():\n    pass", "there is no hook cganzoo_zzz"),
    ],
)
def test_other_broken_plugins(install: Install, tmp_path: Path, body: str, sentence: str) -> None:
    install(write_plugin(tmp_path / "bad", "bad", body), "good")
    registry = load()
    (failure,) = registry.failures
    assert str(failure).startswith(f"cganzoo-bad 1.0: {sentence}")
    assert "cganzoo-good/good" in names(registry)
    assert ("cganzoo-bad/half" in names(registry)) == ("half" in body), "what comes before an error counts"


def test_a_hook_of_a_later_host_may_be_declared_optional(install: Install, tmp_path: Path) -> None:
    body = LOSS.format(name="modern") + "\n@hookimpl(optionalhook=True)\ndef cganzoo_wishes():\n    yield 1\n"
    install(write_plugin(tmp_path / "modern", "modern", body))
    registry = load()
    assert not registry.failures
    assert names(registry) == {"cganzoo-modern/modern"}


def test_keyboard_interrupt_is_the_users(install: Install, tmp_path: Path) -> None:
    install(write_plugin(tmp_path / "slow", "slow", "raise KeyboardInterrupt"))
    with pytest.raises(KeyboardInterrupt):
        load()


def test_what_a_plugin_prints_stays_off_standard_output(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = 'print("import")\n' + LOSS.format(name="noisy").replace("    yield", '    print("hook")\n    yield')
    install(write_plugin(tmp_path / "noisy", "noisy", body))
    assert names(load()) == {"cganzoo-noisy/noisy"}
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "import\nhook\n"


def test_of_two_copies_of_a_distribution_the_first_counts(install: Install, tmp_path: Path) -> None:
    old = write_plugin(tmp_path / "old", "twice", LOSS.format(name="old"), version="1.0")
    new = write_plugin(tmp_path / "new", "twice", LOSS.format(name="new"), version="2.0")
    install(new, old)
    (plugin,) = load().plugins
    assert plugin.provider.version == "2.0"
    assert plugin.provider.location == str(new)
    assert [component.name for component in plugin.components] == ["new"]


def test_a_first_copy_without_entry_points_counts_too(install: Install, tmp_path: Path) -> None:
    old = write_plugin(tmp_path / "old", "twice", LOSS.format(name="old"), version="1.0")
    new = write_plugin(tmp_path / "new", "twice", LOSS.format(name="new"), version="2.0", entry_points="")
    install(new, old)
    assert load().plugins == ()


def test_one_module_behind_two_entry_points_is_loaded_once(install: Install, tmp_path: Path) -> None:
    entry_points = "[cganzoo]\na = cganzoo_twin\nb = cganzoo_twin\n"
    install(write_plugin(tmp_path / "twin", "twin", LOSS.format(name="twin"), entry_points=entry_points))
    registry = load()
    assert [str(failure) for failure in registry.failures] == [
        "cganzoo-twin 1.0: cganzoo_twin is already loaded as cganzoo-twin/a"
    ]
    assert registry.get("loss", "twin").provider.entry_point == "a"


def test_a_refused_plugin_leaves_nothing_behind(install: Install, tmp_path: Path) -> None:
    body = LOSS.format(name="typo").replace("cganzoo_losses", "cganzoo_loses")
    install(
        write_plugin(tmp_path / "typo", "typo", body, entry_points="[cganzoo]\na = cganzoo_typo\nb = cganzoo_typo\n")
    )
    reasons = [failure.reason for failure in load().failures]
    assert reasons == ["there is no hook cganzoo_loses; did you mean cganzoo_losses?"] * 2


def test_a_host_version_that_only_an_extra_wants_does_not_count(install: Install, tmp_path: Path) -> None:
    folder = write_plugin(tmp_path / "extra", "extra", LOSS.format(name="extra"))
    with (folder / "cganzoo_extra-1.0.dist-info" / "METADATA").open("a") as metadata:
        metadata.write("Provides-Extra: next\nRequires-Dist: cganzoo>=9; extra == 'next'\n")
    install(folder)
    assert names(load()) == {"cganzoo-extra/extra"}


def test_leftovers_of_an_uninstall_are_no_plugin_but_are_told(install: Install, tmp_path: Path) -> None:
    ghost = write_plugin(tmp_path / "ghost", "ghost", LOSS.format(name="ghost"))
    (ghost / "cganzoo_ghost-1.0.dist-info" / "METADATA").unlink()
    install(ghost, "good")
    registry = load()
    assert names(registry) == {"cganzoo-good/good"}
    assert [str(failure) for failure in registry.failures] == [
        "cganzoo-ghost 1.0: its METADATA is missing, as after an interrupted install or uninstall; install it anew"
    ]
    assert imported() == {"cganzoo_good"}
    (ghost / "cganzoo_ghost-1.0.dist-info" / "entry_points.txt").unlink()
    assert not load().failures, "nothing is left that says that it was a plugin"


def test_a_distribution_whose_folder_has_another_name_is_found(install: Install, tmp_path: Path) -> None:
    folder = write_plugin(tmp_path / "alias", "alias", LOSS.format(name="alias"))
    (folder / "cganzoo_alias-1.0.dist-info").rename(folder / "something-2.0.dist-info")
    install(folder)
    assert load().get("loss", "alias").provider.version == "1.0"


def test_a_name_of_the_host_s_own_stays_the_host_s(install: Install, tmp_path: Path) -> None:
    body = LOSS.format(name="digits").replace("cganzoo_losses", "cganzoo_datasets").replace("LossSpec", "DatasetSpec")
    install(write_plugin(tmp_path / "thief", "thief", body))
    registry = load_plugins()
    assert registry.get("dataset", "digits").provider.distribution == "cganzoo"
    assert registry.get("dataset", "cganzoo-thief/digits").provider.distribution == "cganzoo-thief"


def test_a_plugin_changes_nothing_of_the_program(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """
import io, logging, os, signal, sys, warnings
signal.signal(signal.SIGALRM, lambda number, frame: None)
signal.setitimer(signal.ITIMER_REAL, 3600)
sys.meta_path.insert(0, sys.meta_path[-1])
sys.path_hooks.reverse()
os.chdir("/")
os.environ["CGANZOO_TEST"] = "1"
sys.path.append("/nowhere")
sys.stdout = sys.stderr = io.StringIO()
sys.setrecursionlimit(12345)
warnings.simplefilter("ignore")
logging.basicConfig(level=logging.DEBUG, force=True)
logging.disable()
"""
    install(write_plugin(tmp_path / "rude", "rude", body + LOSS.format(name="rude")))
    monkeypatch.chdir(tmp_path)
    before = [read() for read, _ in guard.STATE.values()]
    (plugin,) = load().plugins
    assert [read() for read, _ in guard.STATE.values()] == before
    assert plugin.notes == (f"changes {', '.join(guard.STATE)}; this is undone",)
    assert not plugin.failures


def test_options_that_cannot_do_without_a_value_are_no_fault(install: Install, tmp_path: Path) -> None:
    body = """
from pydantic import model_validator
class Either(Config):
    needed: int
    one: int | None = None
    other: int | None = None
    @model_validator(mode="after")
    def _either(self):
        if self.one is self.other is None:
            raise ValueError("give one of them")
        return self
"""
    head, hook = LOSS.format(name="either").split("@hookimpl")
    hook = hook.replace("config=Config", "config=Either")
    install(write_plugin(tmp_path / "either", "either", f"{head}{body}\n@hookimpl{hook}"))
    assert not load().failures


def test_what_compiled_code_prints_stays_off_standard_output(
    install: Install, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    body = 'import os, sys\nos.write(1, b"raw\\n")\nprint("real", file=sys.__stdout__)\n'
    install(write_plugin(tmp_path / "raw", "raw", body + LOSS.format(name="raw")))
    assert names(load()) == {"cganzoo-raw/raw"}
    print("after", flush=True)
    captured = capfd.readouterr()
    assert captured.out.endswith("after\n")
    assert "raw" not in captured.out
    assert "raw" in captured.err


def test_editable_installs_are_located_at_their_source(install: Install, tmp_path: Path) -> None:
    site = write_plugin(tmp_path / "site", "edit", LOSS.format(name="edit"))
    source = tmp_path / "source"
    source.mkdir()
    (site / "cganzoo_edit.py").rename(source / "cganzoo_edit.py")
    install(site, source)  # what a .pth file amounts to
    assert load().get("loss", "edit").provider.location == str(source)


# --- which plugins are loaded ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("", set()),
        ("cganzoo-good", {"cganzoo_good"}),
        (" CGANZOO_good , cganzoo-stolen-component,", {"cganzoo_good", "cganzoo_stolen_component"}),
    ],
)
def test_environment_allow_list(
    install: Install, monkeypatch: pytest.MonkeyPatch, listed: str, expected: set[str]
) -> None:
    install("good", "stolen_component", "system_exit")
    monkeypatch.setenv("CGANZOO_LOAD_PLUGINS", listed)
    load()
    assert imported() == expected


def test_the_environment_does_not_change_what_a_recipe_loads(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("good")
    monkeypatch.setenv("CGANZOO_LOAD_PLUGINS", "")
    assert names(load("cganzoo-good")) == {"cganzoo-good/good"}


def test_an_environment_allow_list_with_a_typing_error(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("good")
    monkeypatch.setenv("CGANZOO_LOAD_PLUGINS", "cganzoo-goood")
    with pytest.raises(PluginError, match=r'^CGANZOO_LOAD_PLUGINS: "cganzoo-goood" is not installed'):
        load()


@pytest.mark.parametrize("requirement", ["cganzoo-good", "cganzoo_Good>=1,<2", "cganzoo.good == 1.0"])
def test_requirements_that_are_met(install: Install, requirement: str) -> None:
    install("good")
    assert names(load(requirement)) == {"cganzoo-good/good"}


@pytest.mark.parametrize(
    ("requirement", "sentence"),
    [
        (
            "cganzoo-good>=2",
            'wants "cganzoo-good>=2", but cganzoo-good 1.0 is installed; '
            "install a version that fits or change the requirement",
        ),
        ("cganzoo-tame>=0.1", '"cganzoo-tame" is not installed: pip install "cganzoo-tame>=0.1"'),
        ("cganzoo-godo", '"cganzoo-godo" is not installed; did you mean "cganzoo-good"?'),
        ("somebodys-plugin", '"somebodys-plugin" is not installed; install it or take it out'),
        ("cganzoo", f'"cganzoo" is installed ({__version__}) but is no plugin of cganzoo; take it out'),
        ("good one", '"good one" does not name a distribution; write it like "cganzoo-x" or "cganzoo-x>=0.1"'),
        (
            "cganzoo-good @ https://example.org/x.whl",
            '"cganzoo-good @ https://example.org/x.whl" does not name a distribution; '
            'write it like "cganzoo-x" or "cganzoo-x>=0.1"',
        ),
    ],
)
def test_requirements_that_are_not_met(install: Install, requirement: str, sentence: str) -> None:
    install("good", "system_exit")
    with pytest.raises(PluginError) as caught:
        load(requirement)
    assert str(caught.value) == f"[requires] plugins: {sentence}"
    assert imported() == set()


# --- names that lead nowhere ----------------------------------------------------------------------------------------


def unknown(registry: Registry, name: str, kind: str = "loss") -> str:
    with pytest.raises(PluginError) as caught:
        registry.get(kind, name)
    return str(caught.value)


def test_a_near_miss_is_suggested(install: Install) -> None:
    install("good", "stolen_entry_point")
    registry = load()
    available = "(available: good, impostor)"
    assert unknown(registry, "godo") == f'there is no loss "godo"; did you mean "good"? {available}'
    assert unknown(registry, "GOOD") == f'there is no loss "GOOD"; did you mean "good"? {available}'
    assert unknown(registry, "xyz") == f'there is no loss "xyz" {available}'
    assert unknown(registry, "cganzoo-god/good") == (
        f'there is no loss "cganzoo-god/good"; did you mean "cganzoo-good/good"? {available}'
    )
    assert unknown(registry, "good", "generator") == 'there is no generator "good" (no generator is available)'


def test_a_first_party_distribution_is_suggested(install: Install) -> None:
    install("stolen_entry_point")
    assert unknown(load(), "tame") == 'there is no loss "tame"; pip install cganzoo-tame (available: impostor)'
    assert "; pip install cganzoo-two-words " in unknown(load(), "two_words")
    assert "pip install" not in unknown(load(), "third_party")
    assert "pip install" not in unknown(load(), "always")  # the host needs it with any extra or none


@pytest.mark.parametrize(("folder", "name"), [("good", "good"), ("stolen_entry_point", "good")])
def test_an_installed_plugin_that_the_recipe_does_not_require(install: Install, folder: str, name: str) -> None:
    install(folder)
    distribution = f"cganzoo-{folder.replace('_', '-')}"
    registry = load_plugins([], builtin=())
    assert f'{distribution} 1.0 is installed and may provide it: add "{distribution}" to [requires] plugins' in (
        unknown(registry, name)
    )
    assert imported() == set()


def test_a_failure_that_may_explain_it(install: Install) -> None:
    install("missing_dependency", "good")
    assert str(load().failures[0]) in unknown(load(), "missing_dependency")
    assert unknown(load(), "lonely") == (
        'there is no loss "lonely"; it may belong to what did not load (see "cganzoo plugins"): '
        "cganzoo-missing-dependency (available: good)"
    )


# --- the host's own, and the listing --------------------------------------------------------------------------------


def test_the_hosts_own_components_come_through_the_same_hooks(install: Install) -> None:
    registry = load_plugins([])
    component = registry.get("dataset", "digits")
    assert component is registry.get("dataset", "cganzoo/digits")
    assert component.provider.distribution == "cganzoo"
    assert component.provider.version == __version__


def test_a_failure_of_the_host_itself_is_never_passed_over(install: Install, tmp_path: Path) -> None:
    install(write_plugin(tmp_path / "own", "own", "raise ValueError('ours')", entry_points=""))
    with pytest.raises(PluginError, match=f"^cganzoo {__version__}: importing cganzoo_own raised ValueError: ours$"):
        load_plugins(builtin=["cganzoo_own"])
