"""What a run shows: live in a terminal, plain lines elsewhere, and the same lines, dated, in the log file."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

import pytest
from rich.console import Console

from cganzoo.console.reporter import Reporter, ScoreRow, TrainingDisplay, number

DATED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  (.*)")


def control_codes(text: str) -> list[str]:
    return [character for character in text if (ord(character) < 32 and character != "\n") or ord(character) == 127]


@pytest.fixture(params=[False, True], ids=["plain", "live"])
def live(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def shown() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def reporter(live: bool, shown: io.StringIO, tmp_path: Path) -> Reporter:
    environment = {"TERM": "xterm-256color" if live else "dumb", "COLUMNS": "60"}
    console = Console(file=shown, force_terminal=live, _environ=environment)
    return Reporter(console, tmp_path / "log.txt")


def log(reporter: Reporter) -> list[str]:
    """The log file's lines without their dates."""
    assert reporter.log_file is not None
    text = reporter.log_file.read_text(encoding="utf-8")
    assert control_codes(text) == []
    matches = [DATED.fullmatch(line) for line in text.splitlines()]
    assert all(matches), text
    return [match[1] for match in matches if match]


TERMS = {"discriminator/real": 0.123456, "discriminator/fake": 2.0, "generator/activation": 1e-5}
CAPTION = "of 2,000 samples, by the classifier, " + "told at length, " * 9 + "end"
LINE = "step 50/100  1235 images/s  discriminator/real 0.1235  discriminator/fake 2  generator/activation 1e-05"


def whole_run(reporter: Reporter) -> None:
    """Everything a run shows."""
    reporter.say("tiny: [bold]3[/] images of 10 classes", style="yellow")
    with reporter.stage("packing images") as progress:
        progress(1, 2)
        progress(2, 2)
    with reporter.training(0, 100) as display:
        display.step(1)
        display.terms(50, TERMS, 1234.6)
        display.scores(50, {"am_score": 0.5, "undefined": None})
        reporter.say("a word in between")
        display.step(100)
        display.terms(100, TERMS, 1000.0)
    rows = [
        ScoreRow("am_score", 0.01234567, 0.006, 0.007, higher_is_better=False),
        ScoreRow("is", 9.0, None, None, higher_is_better=True),
        ScoreRow("n", None, None, None, headline=False),
    ]
    reporter.scores(rows, CAPTION)


def test_the_log_holds_every_line_and_no_control_code(reporter: Reporter, live: bool) -> None:
    whole_run(reporter)
    lines = log(reporter)
    assert lines[0] == "tiny: [bold]3[/] images of 10 classes", "text is not taken for markup"
    assert LINE in lines
    assert "step 50/100  am_score 0.5  undefined -" in lines
    assert "a word in between" in lines
    assert lines[-4:] == [
        "score am_score: 0.01235 (real test 0.006, real halves 0.007)",
        "score is: 9 (real test -, real halves -)",
        "score n: - (real test -, real halves -)",
        CAPTION,
    ]
    assert ("packing images: 2 of 2" in lines) is not live


def test_without_a_terminal_lines_are_plain_and_not_wrapped(tmp_path: Path) -> None:
    shown = io.StringIO()
    whole_run(Reporter(Console(file=shown, force_terminal=False, _environ={"COLUMNS": "60"}), tmp_path / "log.txt"))
    assert control_codes(shown.getvalue()) == []
    lines = shown.getvalue().splitlines()
    assert lines[:5] == [
        "tiny: [bold]3[/] images of 10 classes",
        "packing images: 2 of 2",
        LINE,
        "step 50/100  am_score 0.5  undefined -",
        "a word in between",
    ]
    assert any(re.search(r"am_score ↓.*0\.01235.*0\.007", line) for line in lines)
    assert lines[-1] == CAPTION
    assert any(re.search(r"is ↑.*9.*-", line) for line in lines)


def test_in_a_terminal_the_latest_figures_stand_below_a_bar(tmp_path: Path) -> None:
    shown = io.StringIO()
    console = Console(
        file=shown, force_terminal=True, width=100, _environ={"TERM": "xterm-256color"}, color_system=None
    )
    whole_run(Reporter(console))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue())
    for piece in ("100/100", "1000 images/s", "real 0.1235  fake 2", "activation 1e-05", "scores @50", "am_score 0.5"):
        assert piece in text
    assert "a word in between" in text


def test_progress_lines_are_rationed_but_the_last_one_is_always_told(
    shown: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    reporter = Reporter(Console(file=shown))
    with reporter.stage("packing") as progress:
        for done in range(1, 101):
            clock[0] += 1
            progress(done, 100)
    assert shown.getvalue().splitlines() == [
        *(f"packing: {done} of 100" for done in (11, 22, 33, 44, 55, 66, 77, 88, 99)),
        "packing: 100 of 100",
    ]
    shown.truncate(0)
    shown.seek(0)
    with reporter.training(0, 25) as display:
        for step in range(1, 26):
            clock[0] += 1
            display.terms(step, {}, 1.0)
    assert [line.split()[1] for line in shown.getvalue().splitlines()] == ["1/25", "11/25", "21/25", "25/25"]


def test_a_stage_with_nothing_to_do_is_silent(reporter: Reporter, live: bool, shown: io.StringIO) -> None:
    with reporter.stage("packing images"):
        pass
    assert "packing images" not in shown.getvalue()


def test_the_display_ends_with_the_work_in_it(reporter: Reporter, live: bool) -> None:
    def fail() -> None:
        with reporter.training(0, 10) as display:
            display.step(1)
            raise ZeroDivisionError

    for _ in range(2):  # rich refuses a second live display while there is one
        with pytest.raises(ZeroDivisionError):
            fail()


def test_each_line_of_a_text_is_dated(reporter: Reporter, live: bool) -> None:
    reporter.log("one\ntwo")
    assert log(reporter) == ["one", "two"]


def test_a_full_disk_does_not_end_the_run_here(tmp_path: Path, shown: io.StringIO) -> None:
    reporter = Reporter(Console(file=shown), tmp_path / "missing" / "log.txt")
    reporter.say("still said")
    reporter.say("and again")
    assert shown.getvalue() == "still said\nand again\n"


def test_names_that_are_not_text_are_logged_all_the_same(tmp_path: Path) -> None:
    reporter = Reporter(Console(file=io.StringIO()), tmp_path / "log.txt")
    reporter.log("odd\udcff.png: is not an image")
    assert log(reporter) == ["odd\\udcff.png: is not an image"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0"), (0.0071234, "0.007123"), (9.99951, "10"), (1234567.0, "1.235e+06"), (-3.0, "-3")],
)
def test_numbers_have_four_significant_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_long_waits_between_terms_are_filled_with_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("cganzoo.console.reporter.time.monotonic", lambda: clock[0])
    shown = io.StringIO()
    with Reporter(Console(file=shown, force_terminal=False)).training(0, 100) as display:
        for step in range(1, 6):
            clock[0] += 11.0
            display.step(step)
    assert shown.getvalue().split() == ["step", "3/100"]


def test_terms_come_before_bare_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("cganzoo.console.reporter.time.monotonic", lambda: clock[0])
    shown = io.StringIO()
    with Reporter(Console(file=shown, force_terminal=False, width=200)).training(0, 1000) as display:
        for step in range(1, 601):
            clock[0] += 0.1
            display.step(step)
            if step % 50 == 0:
                display.terms(step, TERMS, 1.0)
    lines = shown.getvalue().splitlines()
    assert len(lines) > 3
    assert all("images/s" in line for line in lines)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_line_of_the_live_display_ends_between_two_terms(width: int) -> None:
    terms = {f"discriminator/term_{number}": number / 7 for number in range(20)}
    shown = io.StringIO()
    reporter = Reporter(Console(file=shown, width=width))
    display = TrainingDisplay(reporter, 10)
    display.terms(1, {**terms, "generator/adversarial": 1.0}, 1.0)
    shown.truncate(shown.seek(0))  # without the line for the log
    reporter.console.print(display)
    speed, first, *others, last = shown.getvalue().splitlines()
    assert speed == "  1 images/s"
    assert first.startswith("  discriminator term_0 0  term_1 0.1429")
    assert last == "  generator     adversarial 1"
    lines = [first.removeprefix("  discriminator "), *(line.removeprefix(" " * 16) for line in others)]
    assert all(re.fullmatch(r"term_\d+ [\d.]+(  term_\d+ [\d.]+)*", line) for line in lines), lines
    assert max(map(len, (first, *others))) <= width
