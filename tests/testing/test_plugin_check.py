"""``cganzoo plugin check``: the components that it finds, its output and its exit code."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
from rich.console import Console

from cganzoo.cli.main import main
from cganzoo.errors import PluginError
from cganzoo.registry import ALLOW_LIST, Component, load_plugins
from cganzoo.testing import Conformance, plugin_check

DATA = Path(__file__).parents[1] / "fixtures"
FAULTY = DATA / "faulty_plugins"

Try = Callable[..., int]


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the distributions of faulty generators and discriminators."""
    for kind in ("generators", "discriminators"):
        monkeypatch.syspath_prepend(FAULTY / kind)


class Quick(Conformance):
    """Four fast checks."""

    def test_passes(self) -> None:
        """``Passes``."""
        print("what a plugin prints")

    def test_fails(self) -> None:
        """Fails for one component."""
        if self.component.name == "unused_parameter":
            raise AssertionError("it is [not] right\n\x1b[1msecond line\x1b[0m")

    def test_is_skipped(self) -> None:
        """Does not apply."""
        raise SkipTest("not needed")

    def test_loads_no_other(self) -> None:
        """Loads its own distribution only."""
        if os.environ[ALLOW_LIST] != self.component.provider.distribution:
            raise AssertionError(os.environ[ALLOW_LIST])


COMMON = 6


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, faulty: None) -> None:
    """Replace the kit's checks, except the common ones, by fast checks."""

    def conformance_class(component: Component, options: dict[str, object]) -> type[Conformance]:
        leave = {
            "test_registering_imports_no_torch": lambda self: None,
            "number_of_checks": COMMON + 4,
            "kind": component.kind,
            "name": component.full_name,
            "options": options,
        }
        return type("Check", (Quick,), leave)

    monkeypatch.setattr(plugin_check, "conformance_class", conformance_class)


def ended(*arguments: str) -> int:
    """Exit code of ``cganzoo plugin check ...``, in this process."""
    with pytest.raises(SystemExit) as stop:
        main(["plugin", "check", *arguments])
    return int(stop.value.code or 0)


# --- a whole run of the command -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("faulty")
def test_a_fault_is_reported_with_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("ignores_labels") == 1
    out, error = capsys.readouterr()
    assert error == ""
    lines = out.splitlines()
    assert lines[0] == "generator ignores_labels  cganzoo-faulty-generators 1.0"
    assert lines[-1].startswith("generator ignores_labels: 39 checks, 36 passed, 2 failed, 1 skipped")
    at = lines.index(
        "  ✗ labels_change_the_image_if_conditional: Labels change every image of a conditional generator, and none of "
        "an unconditional one."
    )
    assert lines[at + 1] == "    the generator is conditional, but ignores its labels; use them in forward"
    assert sum(line.startswith("  ✓ ") for line in lines) == 36
    assert sum(not line.startswith("    ") for line in lines) == 1 + 39 + 1  # pytest adds lines to a failure's message


# --- what it prints -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_lines_on_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("cganzoo-faulty-generators/unused_parameter") == 1
    out, error = capsys.readouterr()
    assert error == "what a plugin prints\n"
    lines = out.splitlines()
    assert lines[0] == "generator unused_parameter  cganzoo-faulty-generators 1.0"
    assert lines[1 + COMMON : -1] == [
        "  ✓ `Passes`.",
        "  ✗ fails: Fails for one component.",
        "    it is [not] right",
        "    second line",
        lines[5 + COMMON],
        "  - Does not apply. Skipped: not needed",
        "  ✓ Loads its own distribution only.",
    ]
    assert re.fullmatch(r"    at cganzoo_faulty_generators/__init__\.py:\d+ \(build\)", lines[5 + COMMON])
    assert lines[-1].startswith("generator unused_parameter: 10 checks, 8 passed, 1 failed, 1 skipped")


@pytest.mark.usefixtures("quick")
def test_json_is_all_of_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("unused_parameter", "--kind", "generator", "--json") == 1
    printed = json.loads(capsys.readouterr().out)
    (component,) = printed["components"]
    assert printed["passed"] is component["passed"] is False
    assert (component["component"], component["kind"]) == ("unused_parameter", "generator")
    assert (component["distribution"], component["version"]) == ("cganzoo-faulty-generators", "1.0")
    assert len(component["checks"]) == COMMON + 4
    failed = [check for check in component["checks"] if check["status"] == "failed"]
    assert [check["check"] for check in failed] == ["fails"]
    assert failed[0]["message"].startswith("it is [not]")
    assert failed[0]["what"] == "Fails for one component."


@pytest.mark.usefixtures("quick")
def test_a_component_of_two_kinds_is_checked_as_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("wants_even_batches") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines if " checks, " in line] == [
        "generator wants_even_batches",
        "discriminator wants_even_batches",
        "2 components",
    ]
    assert lines[-1] == "2 components: 20 checks, 18 passed, 2 skipped"


@pytest.mark.usefixtures("quick")
def test_a_distribution_is_all_of_its_components(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("CGANzoo_faulty.discriminators") == 1  # as pip takes a name
    out = capsys.readouterr().out
    from cganzoo_faulty_discriminators import NAMES

    assert [line.split(" ")[1] for line in out.splitlines() if line.endswith(" 1.0")] == sorted(NAMES)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("width", [40, 80])
def test_lines_in_a_terminal_hang_below_their_mark(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width, color_system=None)
    monkeypatch.setattr("cganzoo.testing.plugin_check.stdout_console", lambda **options: console)
    assert ended("cganzoo-faulty-generators/unused_parameter") == 1
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", shown)]
    assert max(map(len, lines)) <= width
    lines = [line for line in lines if " of 10: " not in line]  # without the status line
    assert sum(line.startswith(" ✓ ") for line in lines) == 8
    at = lines.index(" ✗ fails: Fails for one component.")
    assert lines[at + 1 : at + 3] == ["   it is [not] right", "   second line"]
    at = next(at for at, line in enumerate(lines) if line.startswith(" ✓ The options are the same after"))
    assert lines[at + 1].startswith("   ")  # a long text is wrapped in its own column
    assert " 10 of 10: loads no other" in shown


@pytest.mark.usefixtures("quick")
def test_marks_without_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("cganzoo.testing.plugin_check.stdout_console", lambda **options: Console(file=file))
    assert ended("cganzoo-faulty-generators/unused_parameter") == 1
    file.flush()
    text = file.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert "  FAILED fails: Fails for one component.\n         it is [not]" in text
    assert "  ok `Passes`.\n" in text


# --- what it finds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["amgn"], 'there is no component or distribution "amgn"; did you mean "amgan"?'),
        (["xyzzy"], 'there is no component or distribution "xyzzy"; see `cganzoo plugins`'),
        (["amgan", "--kind", "los"], '--kind: there is no kind "los"; did you mean "loss"?'),
        (["amgan", "--kind", "metric"], '--kind: "amgan" is no metric, but a loss'),
        (["cganzoo-amgn/amgan"], 'there is no distribution "cganzoo-amgn"; did you mean "cganzoo-amgan"?'),
        (["amgan/amgan"], 'there is no distribution "amgan"; did you mean "cganzoo-amgan"?'),
        (["cganzoo-amgan/amgn"], 'there is no component or distribution "cganzoo-amgan/amgn"; did you mean "cganzoo-'),
        (["cganzoo-amgan", "--kind", "metric"], "cganzoo-amgan: is installed, but provides no metric"),
        (["amgan", "--against", "acgan"], "--against: needs --bench"),
        (["cganzoo-acgan", "--bench"], "cganzoo-acgan: has 5 losses; name one: cganzoo-acgan/acgan, "),
        (["dcgan", "--bench"], '--kind: "dcgan" is no loss, but a generator and a discriminator'),
    ],
)
def test_unknown_names(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests load the plugins in a child process first.
    monkeypatch.setattr(plugin_check, "load_survivors", load_plugins)
    assert ended(*arguments) == 2
    out, error = capsys.readouterr()
    assert error.startswith(f"error: {message}")
    assert out == ""


@pytest.mark.parametrize("name", ["cganzoo-hook-raises", "hook_raises", "cganzoo-hook-raises/anything"])
def test_a_distribution_that_does_not_load_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DATA / "broken_plugins" / "hook_raises")
    with pytest.raises(
        PluginError, match=r"cganzoo-hook-raises 1\.0: cganzoo_losses raised ZeroDivisionError: the sky"
    ):
        plugin_check.find(name)


def test_a_name_of_two_distributions_needs_a_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("good", "stolen_component"):
        monkeypatch.syspath_prepend(DATA / "broken_plugins" / folder)
    with pytest.raises(
        PluginError, match='more than one distribution provides the loss "good"; write "cganzoo-good/good"'
    ):
        plugin_check.find("good")
    (found,) = plugin_check.find("cganzoo-good/good")
    assert found.provider.distribution == "cganzoo-good"


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("what", ["cganzoo-faulty-generators", "cganzoo-faulty-generators/faultless"])
def test_no_other_distribution_is_imported_where_one_is_named(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cganzoo_faulty_discriminators", raising=False)
    found = plugin_check.find(what)
    assert {component.provider.distribution for component in found} == {"cganzoo-faulty-generators"}
    assert "cganzoo_faulty_discriminators" not in sys.modules


def test_the_hosts_own_components() -> None:
    assert "digits" in {component.name for component in plugin_check.find("cganzoo")}
    (found,) = plugin_check.find("cganzoo/digits")
    assert plugin_check.conformance_class(found).kind == "dataset"


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize(
    ("known", "passed", "line"),
    [
        ({"fails": "the paper wants it so"}, True, "  ! Fails for one component. Known to fail: the paper"),
        (
            {"passes": "wrongly said"},
            False,
            "    passes, but is in expected_failures (wrongly said); remove it from there",
        ),
    ],
)
def test_known_failures_are_printed_and_strict(
    known: dict[str, str], passed: bool, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Base(Quick):
        kind, number_of_checks = "generator", COMMON + 4

    (component,) = plugin_check.find("cganzoo-faulty-generators/unused_parameter")
    component = dataclasses.replace(component, spec=dataclasses.replace(component.spec, known_failures=known))
    monkeypatch.setattr(plugin_check, "find", lambda what, kind: [component])
    monkeypatch.setattr("cganzoo.testing.GeneratorConformance", Base, raising=False)
    assert plugin_check.show("unused_parameter") is passed
    out = capsys.readouterr().out
    assert line in out
    assert ("1 known to fail" in out) is passed


@pytest.mark.usefixtures("faulty")
def test_a_known_failure_of_an_unknown_check_is_an_error() -> None:
    (component,) = plugin_check.find("cganzoo-faulty-generators/unused_parameter")
    spec = dataclasses.replace(component.spec, known_failures={"nonsense": "why not"})
    with pytest.raises(PluginError, match=r'^cganzoo-faulty-generators 1\.0: known_failures: .* no check "nonsense"'):
        plugin_check.conformance_class(dataclasses.replace(component, spec=spec))


def test_options_reach_the_checks() -> None:
    (component,) = plugin_check.find("cganzoo-dcgan", "generator")
    conformance = plugin_check.conformance_class(component, {"width": 8})()
    assert conformance.config().width == 8
    assert conformance.config(width=4).width == 4


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("widht=8", '--set widht: unknown key; did you mean "width"?'),
        ("width=eight", '--set width: "eight" does not fit: input should be a valid integer'),
        ("width", '--set width: write it as section.key=value, like "--set train.steps=200"'),
    ],
)
def test_invalid_options_are_an_error(override: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("cganzoo-dcgan/dcgan", "--kind", "generator", "--set", override) == 2
    assert capsys.readouterr().err.strip().startswith(f"error: {message}")


# --- how it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("before", [None, "cganzoo-faulty-generators"])
def test_interrupt_ends_at_once_and_leaves_the_environment(
    before: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(self: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Quick, "test_passes", interrupt)
    if before is not None:
        monkeypatch.setenv(ALLOW_LIST, before)
    assert ended("cganzoo-faulty-generators/faultless") == 130
    assert os.environ.get(ALLOW_LIST) == before
    assert "2 checks" not in capsys.readouterr().out
