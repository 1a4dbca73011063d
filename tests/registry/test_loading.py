"""The loader, on plugins that are broken in many ways. It finds nothing that is really installed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bad_plugins import (
    BAD,
    FOLDER,
    FOLDERS,
    HOOK,
    LOSS,
    Bad,
    distribution,
    distributions,
    imported,
    load,
    names,
    write_all,
)

from cganzoo import __version__, hookspecs
from cganzoo.errors import PluginError
from cganzoo.registry import KIND_OF_HOOK, load_plugins

Install = Callable[..., None]


def test_every_hook_has_a_kind() -> None:
    assert {name for name in vars(hookspecs) if name.startswith("cganzoo_")} == set(KIND_OF_HOOK)


def test_a_good_plugin(install: Install) -> None:
    install("good")
    registry = load()
    assert not registry.failures
    component = registry.get("loss", "good")
    assert component is registry.get("loss", "cganzoo-good/good") is registry.get("loss", "CGANZOO_Good/good")
    assert component.provider.distribution == "cganzoo-good"
    assert component.provider.version == "1.0"
    assert component.provider.location == str(FOLDER / "good")
    (plugin,) = registry.plugins
    assert not plugin.imported_torch
    assert plugin.seconds > 0
    assert registry.components("generator") == ()


# --- bad plugins ----------------------------------------------------------------------------------------------------


def test_all_bad_plugins_at_once(install: Install, tmp_path: Path) -> None:
    """Each failure is one line, names its plugin and hides nothing that another plugin, or the same one, provides."""
    loadable = {name: bad for name, bad in BAD.items() if not bad.fatal and name != "conditioning"}
    install(*write_all(tmp_path / "site", except_for=BAD.keys() - loadable.keys()))
    registry = load()
    failures = {failure.provider.distribution: str(failure) for failure in registry.failures}
    assert failures.keys() == distributions(name for name, bad in loadable.items() if bad.label == "failed")
    assert len(registry.failures) == len(failures)
    for name, bad in loadable.items():
        if bad.label == "failed":
            line = failures[distribution(name)]
            assert line.startswith(f"{distribution(name)} {bad.version}: ")
            assert bad.message in line
            assert "\n" not in line
    kept = distributions(name for name, bad in loadable.items() if bad.kept)
    assert {component.provider.distribution for component in registry.components()} == {*kept, "cganzoo-good"}


def test_a_broken_plugin_that_is_required_is_an_error(install: Install) -> None:
    install("good", "hook_raises")
    with pytest.raises(PluginError, match=r"^cganzoo-hook-raises 1\.0: cganzoo_losses raised") as caught:
        load("cganzoo-good", "cganzoo-hook-raises")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


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


def test_an_allow_list_imports_nothing_else(install: Install) -> None:
    install(*FOLDERS, "good")
    registry = load("cganzoo-good")
    assert names(registry) == {"cganzoo-good/good"}
    assert imported() == {"cganzoo_good"}
    assert "torch" not in sys.modules
    assert len(registry.unloaded) == 12


def test_a_hook_of_a_later_host_may_be_declared_optional(install: Install, tmp_path: Path) -> None:
    body = LOSS + "\n@hookimpl(optionalhook=True)\ndef cganzoo_wishes():\n    yield 1\n"
    install(Bad(body=body).write(tmp_path / "modern", "modern"))
    registry = load()
    assert not registry.failures
    assert names(registry) == {"cganzoo-modern/modern"}


def test_a_keyboard_interrupt_ends_the_loading(install: Install, tmp_path: Path) -> None:
    install(Bad(body="raise KeyboardInterrupt").write(tmp_path / "slow", "slow"))
    with pytest.raises(KeyboardInterrupt):
        load()


def test_one_module_behind_two_entry_points_is_loaded_once(install: Install, tmp_path: Path) -> None:
    entry_points = b"[cganzoo]\na = cganzoo_twin\nb = cganzoo_twin\n"
    install(Bad(entry_points=entry_points).write(tmp_path / "twin", "twin"))
    registry = load()
    assert [str(failure) for failure in registry.failures] == [
        "cganzoo-twin 1.0: cganzoo_twin is already loaded as cganzoo-twin/a"
    ]
    assert registry.get("loss", "twin").provider.entry_point == "a"


def test_a_refused_plugin_leaves_nothing_behind(install: Install, tmp_path: Path) -> None:
    body = LOSS.replace("cganzoo_losses", "cganzoo_loses")
    entry_points = b"[cganzoo]\na = cganzoo_typo\nb = cganzoo_typo\n"
    install(Bad(body=body, entry_points=entry_points).write(tmp_path / "typo", "typo"))
    reasons = [failure.reason for failure in load().failures]
    assert reasons == ['there is no hook cganzoo_loses; did you mean "cganzoo_losses"?, at cganzoo_typo.py:8'] * 2


def test_options_without_defaults_that_need_a_value_are_no_failure(install: Install, tmp_path: Path) -> None:
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
    yield loss("either", config=Either)
"""
    install(Bad(body=HOOK + body).write(tmp_path / "either", "either"))
    assert not load().failures


def test_what_a_plugin_prints_stays_off_standard_output(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = 'print("import")\n' + LOSS.replace("    yield", '    print("hook")\n    yield')
    install(Bad(body=body).write(tmp_path / "noisy", "noisy"))
    assert names(load()) == {"cganzoo-noisy/noisy"}
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "import\nhook\n"


def test_what_compiled_code_prints_stays_off_standard_output(
    install: Install, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    body = 'import os, sys\nos.write(1, b"raw\\n")\nprint("real", file=sys.__stdout__)\n'
    install(Bad(body=body + LOSS).write(tmp_path / "raw", "raw"))
    assert names(load()) == {"cganzoo-raw/raw"}
    print("after", flush=True)
    captured = capfd.readouterr()
    assert captured.out.endswith("after\n")
    assert "raw" not in captured.out
    assert "raw" in captured.err


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("\n\nraise ValueError('no')", 3),  # at import
        ("import json\ndef broken(:\n", 2),  # a syntax error has no frame of its own
        (HOOK + "    json = 0\n    yield loss('Wrong Name')", 6),  # raised in the host, called by the plugin's `loss`
        (HOOK + "    yield 3", 8),  # refused by the host: the hook
        (LOSS.replace("losses():", "losses(recipe):"), 8),  # refused by pluggy: the hook
        ("import cganzoo_nowhere", 1),
        (HOOK + "    class Options(Config):\n        count: int = 'x'\n    yield loss('x', config=Options)", 10),
    ],
)
def test_a_failure_names_the_line_in_the_plugin(body: str, line: int, install: Install, tmp_path: Path) -> None:
    install(Bad(body=body).write(tmp_path / "bad", "bad"))
    (failure,) = load().failures
    assert failure.reason.endswith(f", at cganzoo_bad.py:{line}"), failure.reason


# --- the host itself ------------------------------------------------------------------------------------------------


def test_the_host_registers_its_components_by_the_same_hooks(install: Install) -> None:
    registry = load_plugins([])
    component = registry.get("dataset", "digits")
    assert component is registry.get("dataset", "cganzoo/digits")
    assert component.provider.distribution == "cganzoo"
    assert component.provider.version == __version__


def test_a_failure_of_the_host_itself_is_an_error(install: Install, tmp_path: Path) -> None:
    install(Bad(body="raise ValueError('ours')", entry_points=b"").write(tmp_path / "own", "own"))
    with pytest.raises(
        PluginError,
        match=f"^cganzoo {__version__}: importing cganzoo_own raised ValueError: ours, at cganzoo_own.py:1$",
    ):
        load_plugins(builtin=["cganzoo_own"])
