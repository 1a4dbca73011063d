"""``cganzoo plugin check``: what it finds, what it prints, how it ends; and the benchmark beside another loss."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
import torch
from rich.console import Console

from cganzoo import Config, LossSpec
from cganzoo.cli.main import main
from cganzoo.errors import PluginError
from cganzoo.objective import Batch, Objective, Terms
from cganzoo.registry import ALLOW_LIST, Component, Provider
from cganzoo.testing import Conformance, bench, verdict

DATA = Path(__file__).parents[1] / "fixtures"
FAULTY = DATA / "faulty_plugins"
COMMAND = [sys.executable, "-c", "from cganzoo.cli.main import main; main()", "plugin", "check"]

Try = Callable[..., int]


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The distributions of faulty generators and discriminators are installed."""
    for kind in ("generators", "discriminators"):
        monkeypatch.syspath_prepend(FAULTY / kind)


class Quick(Conformance):
    """Four checks that take no time."""

    def test_passes(self) -> None:
        """``Passes`` without ado."""
        print("what a plugin prints")

    def test_fails(self) -> None:
        """Fails where it is asked to."""
        if self.component.name == "unused_parameter":
            raise AssertionError("it is [not] what it ought to be\n\x1b[1msecond line\x1b[0m")

    def test_is_skipped(self) -> None:
        """Does not apply."""
        raise SkipTest("of no use here")

    def test_is_alone(self) -> None:
        """Sees its own distribution alone."""
        if os.environ[ALLOW_LIST] != self.component.provider.distribution:
            raise AssertionError(os.environ[ALLOW_LIST])


COMMON = 6


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, faulty: None) -> None:
    """Checks that take no time stand in for the kit's, but for the common ones."""

    def conformance_class(component: Component, options: dict[str, object]) -> type[Conformance]:
        leave = {
            "test_registering_imports_no_torch": lambda self: None,
            "number_of_checks": COMMON + 4,
            "kind": component.kind,
            "name": component.full_name,
            "options": options,
        }
        return type("Check", (Quick,), leave)

    monkeypatch.setattr(verdict, "conformance_class", conformance_class)


def ended(*arguments: str) -> int:
    """Exit code of ``cganzoo plugin check ...``, in this process."""
    with pytest.raises(SystemExit) as stop:
        main(["plugin", "check", *arguments])
    return int(stop.value.code or 0)


# --- a whole run, as a user starts it -------------------------------------------------------------------------------


def test_a_fault_is_told_and_ends_with_1() -> None:
    environment = {**os.environ, "PYTHONPATH": str(FAULTY / "generators"), "COLUMNS": "80"}
    run = subprocess.run(
        [*COMMAND, "ignores_labels"], capture_output=True, text=True, encoding="utf-8", env=environment, check=False
    )
    assert (run.returncode, run.stderr) == (1, "")
    lines = run.stdout.splitlines()
    assert lines[0] == "generator ignores_labels  cganzoo-faulty-generators 1.0"
    assert lines[-1].startswith("generator ignores_labels: 36 checks, 34 passed, 2 failed")
    at = lines.index(
        "  ✗ labels_change_the_image_if_conditional: Labels change every image of a conditional generator, and none of "
        "an unconditional one."
    )
    assert lines[at + 1] == "    the generator says that it is conditional, but ignores its labels"
    assert sum(line.startswith("  ✓ ") for line in lines) == 34
    assert len(lines) == 1 + 36 + 2 + 1


# --- what it prints -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_lines_on_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("cganzoo-faulty-generators/unused_parameter") == 1
    out, error = capsys.readouterr()
    assert error == "what a plugin prints\n"
    lines = out.splitlines()
    assert lines[0] == "generator unused_parameter  cganzoo-faulty-generators 1.0"
    assert lines[1 + COMMON : -1] == [
        "  ✓ `Passes` without ado.",
        "  ✗ fails: Fails where it is asked to.",
        "    it is [not] what it ought to be",
        "    second line",
        "  - Does not apply. Skipped: of no use here",
        "  ✓ Sees its own distribution alone.",
    ]
    assert lines[-1].startswith("generator unused_parameter: 10 checks, 8 passed, 1 failed, 1 skipped")


@pytest.mark.usefixtures("quick")
def test_json_is_all_of_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("unused_parameter", "--kind", "generator", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    (component,) = told["components"]
    assert told["passed"] is component["passed"] is False
    assert (component["component"], component["kind"]) == ("unused_parameter", "generator")
    assert (component["distribution"], component["version"]) == ("cganzoo-faulty-generators", "1.0")
    assert len(component["checks"]) == COMMON + 4
    failed = [check for check in component["checks"] if check["status"] == "failed"]
    assert [check["check"] for check in failed] == ["fails"]
    assert failed[0]["message"].startswith("it is [not]")
    assert failed[0]["what"] == "Fails where it is asked to."


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
    monkeypatch.setattr("cganzoo.testing.verdict.stdout_console", lambda **options: console)
    assert ended("cganzoo-faulty-generators/unused_parameter") == 1
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", shown)]
    assert max(map(len, lines)) <= width
    lines = [line for line in lines if " of 10: " not in line]  # without the line that tells what is running
    assert sum(line.startswith(" ✓ ") for line in lines) == 8
    at = lines.index(" ✗ fails: Fails where it is asked to.")
    assert lines[at + 1 : at + 3] == ["   it is [not] what it ought to be", "   second line"]
    at = next(at for at, line in enumerate(lines) if line.startswith(" ✓ Every option has"))
    assert lines[at + 1].startswith("   ")  # what does not fit into a line goes on below its own beginning
    assert " 10 of 10: is alone" in shown


@pytest.mark.usefixtures("quick")
def test_marks_without_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("cganzoo.testing.verdict.stdout_console", lambda **options: Console(file=file))
    assert ended("cganzoo-faulty-generators/unused_parameter") == 1
    file.flush()
    text = file.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert "  FAILED fails: Fails where it is asked to.\n         it is [not]" in text
    assert "  ok `Passes` without ado.\n" in text


# --- what it finds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["amgn"], 'there is no component or distribution "amgn"; did you mean "amgan"?'),
        (["xyzzy"], 'there is no component or distribution "xyzzy"; see `cganzoo plugins`'),
        (["amgan", "--kind", "los"], '--kind: there is no kind "los"; did you mean "loss"?'),
        (["amgan", "--kind", "metric"], '--kind: "amgan" is no metric, but a loss'),
        (["cganzoo-amgn/amgan"], 'there is no distribution "cganzoo-amgn"; did you mean "cganzoo-amgan"?'),
        (["amgan/amgan"], 'there is no distribution "amgan"; did you mean "cganzoo-amgan"?'),
        (["cganzoo-amgan/amgn"], 'there is no component or distribution "cganzoo-amgan/amgn"; did you mean "cganzoo-'),
        (["cganzoo-amgan", "--kind", "metric"], "cganzoo-amgan: is installed, but provides no metric"),
        (["amgan", "--against", "acgan"], "--against: goes with --bench"),
        (["cganzoo-acgan", "--bench"], "cganzoo-acgan: has 5 losses; name one: cganzoo-acgan/acgan, "),
        (["dcgan", "--bench"], '--kind: "dcgan" is no loss, but a generator and a discriminator'),
    ],
)
def test_unknown_names(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(*arguments) == 2
    out, error = capsys.readouterr()
    assert error.startswith(f"error: {sentence}")
    assert out == ""


@pytest.mark.parametrize("name", ["cganzoo-hook-raises", "hook_raises", "cganzoo-hook-raises/anything"])
def test_a_distribution_that_does_not_load_is_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DATA / "broken_plugins" / "hook_raises")
    with pytest.raises(
        PluginError, match=r"cganzoo-hook-raises 1\.0: cganzoo_losses raised ZeroDivisionError: the sky"
    ):
        verdict.find(name)


def test_a_name_of_two_distributions_must_be_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("good", "stolen_component"):
        monkeypatch.syspath_prepend(DATA / "broken_plugins" / folder)
    with pytest.raises(
        PluginError, match='more than one distribution provides a loss "good"; write "cganzoo-good/good"'
    ):
        verdict.find("good")
    (found,) = verdict.find("cganzoo-good/good")
    assert found.provider.distribution == "cganzoo-good"


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("what", ["cganzoo-faulty-generators", "cganzoo-faulty-generators/faultless"])
def test_no_other_distribution_is_imported_where_one_is_named(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cganzoo_faulty_discriminators", raising=False)
    found = verdict.find(what)
    assert {component.provider.distribution for component in found} == {"cganzoo-faulty-generators"}
    assert "cganzoo_faulty_discriminators" not in sys.modules


def test_the_hosts_own_components() -> None:
    assert "digits" in {component.name for component in verdict.find("cganzoo")}
    (found,) = verdict.find("cganzoo/digits")
    assert verdict.conformance_class(found).kind == "dataset"


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize(
    ("known", "passed", "told"),
    [
        ({"fails": "the paper wants it so"}, True, "  ! Fails where it is asked to. Known to fail: the paper wants it"),
        ({"passes": "wrongly said"}, False, "    passes, though expected to fail (wrongly said)"),
    ],
)
def test_known_failures_are_told_and_strict(
    known: dict[str, str], passed: bool, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Base(Quick):
        kind, number_of_checks = "generator", COMMON + 4

    (component,) = verdict.find("cganzoo-faulty-generators/unused_parameter")
    component = dataclasses.replace(component, spec=dataclasses.replace(component.spec, known_failures=known))
    monkeypatch.setattr(verdict, "find", lambda what, kind: [component])
    monkeypatch.setattr("cganzoo.testing.GeneratorConformance", Base, raising=False)
    assert verdict.show("unused_parameter") is passed
    out = capsys.readouterr().out
    assert told in out
    assert ("1 known to fail" in out) is passed


@pytest.mark.usefixtures("faulty")
def test_a_known_failure_of_no_check_is_one_sentence() -> None:
    (component,) = verdict.find("cganzoo-faulty-generators/unused_parameter")
    spec = dataclasses.replace(component.spec, known_failures={"nonsense": "why not"})
    with pytest.raises(PluginError, match=r'^cganzoo-faulty-generators 1\.0: known_failures: .* no check "nonsense"'):
        verdict.conformance_class(dataclasses.replace(component, spec=spec))


def test_options_reach_the_checks() -> None:
    (component,) = verdict.find("cganzoo-dcgan", "generator")
    conformance = verdict.conformance_class(component, {"width": 8})()
    assert conformance.config().width == 8
    assert conformance.config(width=4).width == 4


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("widht=8", '--set widht: unknown key; did you mean "width"?'),
        ("width=eight", '--set width: "eight" does not fit: input should be a valid integer'),
        ("width", '--set width: write it as section.key=value, like "--set train.steps=200"'),
    ],
)
def test_options_that_do_not_fit_are_one_sentence(
    override: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended("cganzoo-dcgan/dcgan", "--kind", "generator", "--set", override) == 2
    assert capsys.readouterr().err.strip().startswith(f"error: {sentence}")


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


# --- the benchmark --------------------------------------------------------------------------------------------------


class Clock:
    """Stands in for one side of the benchmark: so many seconds a step, and a wobble."""

    def __init__(self, seconds: float, wobble: float = 0.0) -> None:
        self.seconds, self.wobble, self.turn = seconds, wobble, 0

    def run(self, steps: int) -> float:
        self.turn += 1
        return steps * self.seconds * (1 + self.wobble * (-1) ** self.turn)

    def cost(self, seconds: list[float]) -> bench.Cost:
        return bench.Cost("clock", 1000 * sorted(seconds)[len(seconds) // 2], 0, None)


@pytest.mark.parametrize(
    ("one", "other", "ratio", "words"),
    [
        (Clock(0.3), Clock(0.2), 1.5, "50.0% more time per step"),
        (Clock(0.2), Clock(0.4), 0.5, "50.0% less time per step"),
        (Clock(0.2), Clock(0.2), 1.0, "no difference beyond noise"),
        (Clock(0.201), Clock(0.2), 1.005, "no difference beyond noise"),
        (Clock(0.22, wobble=0.2), Clock(0.2), 1.1, "no difference beyond noise"),
    ],
)
def test_ratio_and_noise(one: Any, other: Any, ratio: float, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "FEWEST", 40)
    comparison = bench.compare(one, other, lambda done, total: None, seconds=0)
    assert comparison.ratio == pytest.approx(ratio)
    assert comparison.pairs == 40
    low, high = comparison.quartiles
    assert low <= comparison.interval[0] <= comparison.ratio <= comparison.interval[1] <= high
    assert comparison.verdict == words


class NeedsAll(Objective):
    """Asks for everything that the engine can give."""

    uses_real_in_generator_loss = True
    fake_labels = "paired"

    def __init__(self, features: int) -> None:
        super().__init__()
        self.head = torch.nn.Linear(features, bench.CLASSES)

    def discriminator_loss(self, real: Batch, fake: Batch) -> Terms:
        assert torch.equal(real.labels, fake.labels)
        return {"all": self.head(real.features).square().mean() + self.head(fake.features).mean()}

    def generator_loss(self, fake: Batch, real: Batch | None = None) -> Terms:
        assert real is not None
        return {"all": (self.head(fake.features) - self.head(real.features)).square().mean()}


def test_a_step_moves_both_players() -> None:
    spec = LossSpec(
        name="needs_all", summary="Needs all", config=Config, build=lambda config, context: NeedsAll(context.features)
    )
    provider = Provider(distribution="x", version="1", entry_point="x", module="x", location="")
    side = bench._Side(Component(kind="loss", spec=spec, provider=provider), torch.device("cpu"))
    players = side.trunk, side.objective, side.generator
    before = [[weight.detach().clone() for weight in player.parameters()] for player in players]
    assert side.run(2) > 0
    for player, old in zip(players, before, strict=True):
        assert all(weight.requires_grad for weight in player.parameters())
        assert all(not torch.equal(*pair) for pair in zip(player.parameters(), old, strict=True))


@pytest.mark.parametrize("against", [None, "projgan"])
def test_bench_as_json(
    against: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("SECONDS", 0), ("FEWEST", 3), ("BLOCK", 0.0), ("WARM_UP", 1), ("BATCH", 8)):
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(bench.compare, "__defaults__", (0,))
    extra = [] if against is None else ["--against", against]
    assert ended("labelgan", "--bench", "--json", *extra) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["loss"]["name"] == "labelgan"
    assert told["loss"]["head_parameters"] == bench.FEATURE_DIM * (bench.CLASSES + 1) + bench.CLASSES + 1
    assert told["against"]["name"] == (against or "bare networks")
    assert (told["against"]["head_parameters"] == 0) is (against is None)
    assert told["pairs"] == 3
    assert told["ratio"] > 0
    assert told["device"].startswith("CPU") or torch.cuda.is_available()


def test_bench_as_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    costs = bench.Cost("mine", 12.5, 1419, 2_000_000), bench.Cost("theirs", 10.0, 0, 1_000_000)
    comparison = bench.Comparison(*costs, 1.25, (1.2, 1.3), (1.24, 1.26), 40)
    monkeypatch.setattr(bench, "compare", lambda *sides: comparison)
    assert ended("amgan", "--bench") == 0
    out = capsys.readouterr().out
    rows = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()[:4]]
    assert rows == [
        ["mine", "theirs"],
        ["ms per step of both players", "12.5", "10"],
        ["parameters of the heads", "1,419", "0"],
        ["peak memory of a step", "2.0 MB", "1.0 MB"],
    ]
    assert "mine / theirs: 1.250, quartiles 1.200 to 1.300 of 40 pairs: 25.0% more time per step\n" in out
