"""What a run shows: a live display in a terminal, plain lines elsewhere, and the same lines in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich import box
from rich.console import Console, Group
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
from rich.progress import Progress as RichProgress
from rich.table import Column, Table
from rich.text import Text

Progress = Callable[[int, int], None]
"""Called with (done, total) while a piece of work goes on."""

Stage = Callable[[str], AbstractContextManager[Progress]]
"""Begins a named piece of work, whose progress the result of ``with`` shows."""

LINE_EVERY = 10.0  # seconds between two progress lines where there is no live display
SHOW_EVERY = 0.2  # seconds between two movements of the bar


@dataclass(frozen=True)
class ScoreRow:
    """One number of an evaluation.

    Attributes:
        name: of the metric's output.
        value: of the samples.
        test: of the test images in their place.
        halves: of one half of the training images against the other.
        higher_is_better: ``None`` where neither is.
        headline: whether it is a metric's main output, or a part of it.
        error: standard error of the value, where it is known.
    """

    name: str
    value: float | None
    test: float | None
    halves: float | None
    higher_is_better: bool | None = None
    headline: bool = True
    error: float | None = None


class Reporter:
    """Tells a person, or a log, how a run goes.

    Args:
        console: where to show it; live only if it is a terminal.
        log_file: also gets every line, dated, without control codes. ``None``: no log.
    """

    def __init__(self, console: Console, log_file: Path | None = None) -> None:
        self.console, self.log_file = console, log_file
        self._last_line = float("-inf")

    def say(self, text: str, style: str = "") -> None:
        """One line."""
        self._print(Text(text, style=style))
        self.log(text)

    def _print(self, text: Text) -> None:
        # Wrapped between words for a reader; whole for a file or a pipe, where lines are searched.
        self.console.print(text, soft_wrap=not self.console.is_terminal)

    def log(self, text: str) -> None:
        """One line, in the log file only."""
        if self.log_file is None:
            return
        stamp = datetime.now().isoformat(sep=" ", timespec="seconds")
        try:
            with self.log_file.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(f"{stamp}  {line}\n" for line in text.splitlines())
        except OSError:
            self.log_file = None  # a full disk must not end a run here: saving a checkpoint reports it

    @contextmanager
    def stage(self, what: str, *, in_bytes: bool = False) -> Iterator[Progress]:
        """A piece of work; yields ``progress(done, total)``. Silent if it never calls it.

        Args:
            what: it is called.
            in_bytes: whether that is what ``progress`` counts; a total of 0 is then one that is not known.
        """
        if not self.console.is_terminal:
            yield self._lines(what, in_bytes)
            return
        with _bar(self.console, transient=True, in_bytes=in_bytes) as bar:
            task = bar.add_task(what, total=None, visible=False)

            def progress(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total or None, visible=True)

            yield progress

    def _lines(self, what: str, in_bytes: bool) -> Progress:
        told, last = amount if in_bytes else str, time.monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal last
            if (total and done >= total) or time.monotonic() - last > LINE_EVERY:
                self.say(f"{what}: {told(done)}" + (f" of {told(total)}" if total else ""))
                last = time.monotonic()

        return progress

    def agrees(self, question: str) -> bool:
        """Ask a question of yes or no; where nobody sits at a terminal to answer it, the answer is no."""
        if not (self.console.is_terminal and sys.stdin is not None and sys.stdin.isatty()):
            return False
        try:
            answer = self.console.input(Text(f"{question} [y/N] "))
        except EOFError:
            return False
        return answer.strip().lower() in ("y", "yes")

    @contextmanager
    def training(self, start: int, steps: int) -> Iterator[TrainingDisplay]:
        """The display of the training loop."""
        display = TrainingDisplay(self, steps)
        if not self.console.is_terminal:
            yield display
            return
        bar = _bar(self.console)
        task = bar.add_task("training", total=steps, completed=start)
        with Live(console=self.console, refresh_per_second=4) as live:

            def show(step: int) -> None:
                bar.update(task, completed=step)
                live.update(Group(bar, *display.renderables()))

            display.show = show
            show(start)
            yield display

    def scores(self, rows: list[ScoreRow], caption: str) -> None:
        """The table of scores."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("score")
        table.add_column("samples", justify="right")
        if any(row.error is not None for row in rows):
            table.add_column("± se", justify="right")
        table.add_column("real test", justify="right")
        table.add_column("real halves", justify="right")
        for row in rows:
            arrow = {True: " ↑", False: " ↓", None: ""}[row.higher_is_better]
            name, style = (row.name, "bold") if row.headline else (f"  {row.name}", "dim")
            error = [Text("" if row.error is None else f"{row.error:.2g}", "dim")] if len(table.columns) == 5 else []
            real = [Text(number(value), "dim") for value in (row.test, row.halves)]
            table.add_row(Text(name + arrow, style), Text(number(row.value), style), *error, *real)
        self.console.print(table)
        self._print(Text(caption, "dim"))
        self.log_scores(rows, caption)

    def log_scores(self, rows: list[ScoreRow], caption: str) -> None:
        """The scores, in the log file only."""
        for row in rows:
            self.log(
                f"score {row.name}: {number(row.value)} (real test {number(row.test)}, "
                f"real halves {number(row.halves)})"
            )
        self.log(caption)


class TrainingDisplay:
    """Holds the latest figures of a training run and shows them."""

    def __init__(self, reporter: Reporter, steps: int) -> None:
        self._reporter, self._steps = reporter, steps
        self._terms: Mapping[str, float] = {}
        self._speed = 0.0
        self._scores: Mapping[str, float | None] = {}
        self._scored_at = 0
        self._began = time.monotonic()
        self._shown = float("-inf")
        self.show: Callable[[int], None] | None = None

    def step(self, step: int) -> None:
        """Show how far it is, a few times a second, or by a line every few seconds where there is no bar."""
        now = time.monotonic()
        if self.show:
            if now - self._shown >= SHOW_EVERY:
                self._shown = now
                self.show(step)
        elif now - max(self._began, self._reporter._last_line) >= 3 * LINE_EVERY:  # else the terms will come
            self._reporter._last_line = now
            self._reporter.say(f"step {step}/{self._steps}")

    def terms(self, step: int, terms: Mapping[str, float], images_per_second: float) -> None:
        """New means of the loss terms."""
        self._terms, self._speed = terms, images_per_second
        if self.show:
            self.show(step)
        now = time.monotonic()
        if now - self._reporter._last_line >= LINE_EVERY or step == self._steps:
            self._reporter._last_line = now
            line = f"step {step}/{self._steps}  {images_per_second:.0f} images/s  " + "  ".join(
                f"{name} {number(value)}" for name, value in terms.items()
            )
            if self.show:
                self._reporter.log(line)
            else:
                self._reporter.say(line)

    def scores(self, step: int, scores: Mapping[str, float | None]) -> None:
        """New scores."""
        self._scores, self._scored_at = scores, step
        line = f"step {step}/{self._steps}  " + "  ".join(f"{name} {number(value)}" for name, value in scores.items())
        if self.show:
            self._reporter.log(line)
            self.show(step)
        else:
            self._reporter.say(line)

    def renderables(self) -> list[Text]:
        """The lines below the bar."""
        lines = []
        if self._terms:
            lines.append(Text(f"  {self._speed:.0f} images/s", style="cyan"))
            for player in ("discriminator", "generator"):
                named = {k.removeprefix(f"{player}/"): v for k, v in self._terms.items() if k.startswith(player)}
                figures = "  ".join(f"{name} {number(value)}" for name, value in named.items())
                lines.append(Text.assemble((f"  {player:<14}", "dim"), figures))
        if self._scores:
            figures = "  ".join(f"{name} {number(value)}" for name, value in self._scores.items())
            lines.append(Text.assemble((f"  scores @{self._scored_at:<6}", "dim"), figures))
        return lines


def number(value: float | None) -> str:
    """Four significant digits; a dash for a score that is not defined."""
    return "-" if value is None else f"{value:.4g}"


def amount(count: int) -> str:
    """A number of bytes as people write it: "248.1 MB"."""
    return decimal(count)


def _bar(console: Console, *, transient: bool = False, in_bytes: bool = False) -> RichProgress:
    counts: tuple[ProgressColumn, ...] = (MofNCompleteColumn(), TimeElapsedColumn())
    if in_bytes:  # in a narrow terminal the bar gives way, not these
        counts = tuple(kind(table_column=Column(no_wrap=True)) for kind in (DownloadColumn, TransferSpeedColumn))
    return RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        *counts,
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=transient,
    )
