"""Progress and results of a run: a live display in a terminal, plain lines elsewhere, and the lines in a log file."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.filesize import decimal
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as ProgressBar
from rich.table import Column, Table
from rich.text import Text

from .streams import printable

Progress = Callable[[int, int], None]
"""``progress(done, total)``: how much of the work is done."""

Stage = Callable[[str], AbstractContextManager[Progress]]
"""``with stage("packing images") as progress``: shows a named piece of work; :meth:`Reporter.stage` is one."""

LINE_EVERY = 10.0  # seconds between two progress lines without a live display
HEADING = 16  # columns before the numbers of the live display
NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class ScoreRow:
    """One row of the table of scores.

    Attributes:
        value: score of the samples; ``test``: of the test images.
        halves: score of one half of the training images against the other half.
        headline: whether this is the metric's main output; other outputs are shown indented below it.
        error: standard error of the value.
        failed: whether the metric failed, so that a missing value is a failure, not an undefined score.
    """

    name: str
    value: float | None
    test: float | None
    halves: float | None
    higher_is_better: bool | None = None
    headline: bool = True
    error: float | None = None
    failed: bool = False

    @property
    def shown(self) -> str:
        """The value as text."""
        return "failed" if self.failed and self.value is None else number(self.value)


class Reporter:
    """Shows the progress and the results of a run; the display is live only in a terminal.

    ``log_file`` also receives every line, with its date and without control codes.
    """

    training_title = "training"
    """What the bar of the training loop says; with ``training_stays = False``, it disappears when training ends."""

    training_stays = True

    def __init__(self, console: Console, log_file: Path | None = None) -> None:
        self.console, self.log_file = console, log_file

    def say(self, text: str, style: str = "") -> None:
        """Show a line and log it."""
        self._print(Text(printable(text), style=style))
        self.log(text)

    def _print(self, text: Text) -> None:
        # Long lines are wrapped in a terminal only: in a file or a pipe, programs search them.
        self.console.print(text, soft_wrap=not self.console.is_terminal)

    def log(self, text: str) -> None:
        """Write a line to the log file only."""
        if self.log_file is None:
            return
        stamp = datetime.now().isoformat(sep=" ", timespec="seconds")
        try:
            if self.log_file.exists() and not self.log_file.is_file():
                raise OSError("not a regular file: a pipe, for example, may never be read")
            with self.log_file.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(f"{stamp}  {line}\n" for line in printable(text).splitlines())
        except OSError:
            self.log_file = None  # a full disk must not stop the run here; saving a checkpoint will report it

    @contextmanager
    def stage(self, what: str, *, in_bytes: bool = False) -> Iterator[Progress]:
        """Show a named piece of work; yields ``progress(done, total)``. Shows nothing until that is called.

        With ``in_bytes``, ``progress`` counts bytes. A total of 0 means that the total is unknown.
        """
        if not self.console.is_terminal:
            yield self._lines(what, in_bytes)
            return
        with _bar(self.console, transient=True, in_bytes=in_bytes) as bar:
            task = bar.add_task(printable(what), total=None, visible=False)

            def progress(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total or None, visible=True)

            yield progress

    def _lines(self, what: str, in_bytes: bool) -> Progress:
        written, last = amount if in_bytes else str, time.monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal last
            if (total and done >= total) or time.monotonic() - last > LINE_EVERY:
                self.say(f"{what}: {written(done)}" + (f" of {written(total)}" if total else ""))
                last = time.monotonic()

        return progress

    def agrees(self, question: str) -> bool:
        """Ask a yes-or-no question. Without a terminal to ask in, the answer is no."""
        if not (self.console.is_terminal and sys.stdin is not None and sys.stdin.isatty()):
            return False
        try:
            answer = self.console.input(Text(printable(f"{question} [y/N] ")))
        except EOFError:
            return False
        return answer.strip().lower() in ("y", "yes")

    @contextmanager
    def training(self, start: int, steps: int) -> Iterator[TrainingDisplay]:
        """Show the training loop; yields the display to update."""
        if not self.console.is_terminal:
            yield TrainingDisplay(self, steps)
            return
        bar = _bar(self.console)
        bar.add_task(self.training_title, total=steps, completed=start)
        display = TrainingDisplay(self, steps, bar)
        with Live(display, console=self.console, refresh_per_second=4, transient=not self.training_stays):
            yield display

    def scores(self, rows: list[ScoreRow], caption: str) -> None:
        """Show the table of scores and log them."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        errors = ["± se"] if any(row.error is not None for row in rows) else []
        table.add_column("score")
        for title in ("samples", *errors, "real test", "real halves"):
            table.add_column(title, justify="right")
        for row in rows:
            arrow = {True: " ↑", False: " ↓", None: ""}[row.higher_is_better]
            name, style = (row.name, "bold") if row.headline else (f"  {row.name}", "dim")
            error = [Text("" if row.error is None else f"{row.error:.2g}", "dim")] if errors else []
            real = [Text(number(value), "dim") for value in (row.test, row.halves)]
            problem = "yellow" if row.failed and row.value is None else style
            table.add_row(Text(name + arrow, style), Text(row.shown, problem), *error, *real)
        self.console.print(table)
        self._print(Text(caption, "dim"))
        self.log_scores(rows, caption)

    def log_scores(self, rows: list[ScoreRow], caption: str) -> None:
        """Write the scores to the log file only."""
        for row in rows:
            real = f"real test {number(row.test)}, real halves {number(row.halves)}"
            self.log(f"score {row.name}: {row.shown} ({real})")
        self.log(caption)


class TrainingDisplay:
    """The latest numbers of a training run: a bar with lines below it, or without a bar one line after the other."""

    def __init__(self, reporter: Reporter, steps: int, bar: ProgressBar | None = None) -> None:
        self._reporter, self._steps, self._bar = reporter, steps, bar
        self._terms: Mapping[str, float] = {}
        self._speed = 0.0
        self._scores: Mapping[str, float | None] = {}
        self._scored_at = 0
        self._began = time.monotonic()
        self._last_line = float("-inf")

    def step(self, step: int) -> None:
        """Show the current step: move the bar, or without a bar print a line if none was printed for long."""
        now = time.monotonic()
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=step)
        elif now - max(self._began, self._last_line) >= 3 * LINE_EVERY:  # usually a line of terms() comes first
            self._last_line = now
            self._reporter.say(f"step {step}/{self._steps}")

    def terms(self, step: int, terms: Mapping[str, float], images_per_second: float) -> None:
        """Show new means of the loss terms."""
        self._terms, self._speed = terms, images_per_second
        now = time.monotonic()
        if now - self._last_line >= LINE_EVERY or step == self._steps:
            self._last_line = now
            self._line(step, f"{images_per_second:.0f} images/s  {_figures(terms)}")

    def scores(self, step: int, scores: Mapping[str, float | None]) -> None:
        """Show new scores."""
        self._scores, self._scored_at = scores, step
        self._line(step, _figures(scores))

    def _line(self, step: int, text: str) -> None:
        show = self._reporter.log if self._bar else self._reporter.say  # the live display shows the same numbers
        show(f"step {step}/{self._steps}  {text}")

    def __rich__(self) -> Group:
        lines: list[RenderableType] = [self._bar] if self._bar else []
        if self._terms:
            lines.append(Text(f"  {self._speed:.0f} images/s", style="cyan"))
            for player in ("discriminator", "generator"):
                named = {k.removeprefix(f"{player}/"): v for k, v in self._terms.items() if k.startswith(player)}
                lines.append(_wrapped(player, named, self._reporter.console.width))
        if self._scores:
            heading = f"scores @{self._scored_at}"
            lines.append(_wrapped(heading, self._scores, self._reporter.console.width))
        return Group(*lines)


def number(value: float | None) -> str:
    """A number with four significant digits; a dash for ``None``."""
    return "-" if value is None else f"{value:.4g}"


def amount(count: int) -> str:
    """A number of bytes for people: "248.1 MB"."""
    return decimal(count)


def _figures(values: Mapping[str, float | None]) -> str:
    return "  ".join(f"{name} {number(value)}" for name, value in values.items())


def _wrapped(heading: str, values: Mapping[str, float | None], width: int) -> Text:
    """A heading, and names with numbers after it: a line ends between two of them, never between name and number."""
    joined = "  ".join(f"{name}{NO_BREAK}{number(value)}" for name, value in values.items())
    text = textwrap.fill(joined, max(width - HEADING, 1), break_long_words=False, break_on_hyphens=False)
    lines = text.replace(NO_BREAK, " ").replace("\n", "\n" + " " * HEADING)
    return Text.assemble((f"  {heading}".ljust(HEADING - 1) + " ", "dim"), lines)


def _bar(console: Console, *, transient: bool = False, in_bytes: bool = False) -> ProgressBar:
    counts: tuple[ProgressColumn, ...] = (MofNCompleteColumn(), TimeElapsedColumn())
    if in_bytes:  # in a narrow terminal, the bar is shortened before these columns
        counts = tuple(kind(table_column=Column(no_wrap=True)) for kind in (DownloadColumn, TransferSpeedColumn))
    return ProgressBar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *counts,
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=transient,
    )
