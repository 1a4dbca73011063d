"""``cganzoo compare`` in a terminal: from the matrix to the files, with tables of differences, states and scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cganzoo.console.reporter import Progress, Reporter, ScoreRow, number
from cganzoo.console.streams import printable
from cganzoo.errors import CganzooError, RunError
from cganzoo.runs import provenance
from cganzoo.session.device import pick_device
from cganzoo.train.stop import Stop

from . import fairness
from .comparison import Comparison, gather
from .conclusions import mean_and_spread
from .escape import printable_values
from .matrix import Cell, Matrix
from .read import ENDED, States, read_states
from .report_data import View, build_view, published_scores
from .report_files import write_files
from .samples import draw_samples
from .side_by_side import image_conflicts, side_by_side
from .train import Untrained, build_untrained, train_missing

STYLES = {
    "finished": "green",
    "running": "bold cyan",
    "interrupted": "yellow",
    "diverged": "yellow",
    "failed": "red",
}
METHOD_WIDTH, SCORE_WIDTH = 18, 20  # of columns; more scores than fit in a line are shown in another table
MOST_KEYS = 12  # differing keys shown; the report shows all


def compare(matrix: Matrix, console: Console, device: str, limit: float | None, *, fresh: bool, mixed: bool) -> int:
    """Check and train the runs, write and show the results. Takes the command's options; returns the exit code."""
    stop, place = Stop.after(limit), pick_device(device)
    found = read_states(matrix, fresh=fresh)
    before = gather(matrix, found)
    _check(before.conflicts, mixed)
    if len(matrix.methods) > 1:
        waiting = [cell.method for cell in matrix.cells if found.of[cell] not in ("finished", "diverged")]
        untrained, refused = build_untrained(list(dict.fromkeys(waiting)), Reporter(console))
        _refuse(refused, matrix, found)
        _check(image_conflicts(before, untrained), mixed)
        _show_fairness(console, before, untrained)
    interrupted = False
    if matrix.trains:
        display = LiveMatrix(console, matrix, found)
        with display.showing():
            interrupted = train_missing(matrix, found, place, stop, display, fresh=fresh)
    comparison = gather(matrix, found)
    _check(comparison.conflicts, mixed)
    whole = _write_and_show(comparison, console, place)
    if interrupted:
        return 130
    if stop.signal is not None and not all(state in ENDED for state in found.of.values()):
        return 128 + stop.signal
    damaged = comparison.skipped or any(run.damaged_lines for run in comparison.runs)
    return 2 if found.errors or damaged or not whole else 0


def _refuse(refused: Mapping[str, str], matrix: Matrix, states: States) -> None:
    """Count the runs of methods that cannot be trained as failed. If nothing else is left, that is the only error."""
    cells = [
        cell for cell in matrix.cells if cell.method.name in refused and states.of[cell] not in ("finished", "diverged")
    ]
    if cells and len(cells) == len(matrix.cells):
        raise RunError(next(iter(refused.values())))
    for cell in cells:
        states.of[cell] = "failed"
        states.errors.setdefault(cell, refused[cell.method.name])


def report(matrix: Matrix, console: Console, device: str) -> int:
    """Write and show the files of one run; returns the exit code."""
    comparison = gather(matrix, read_states(matrix))
    if not comparison.runs:
        raise RunError(comparison.skipped[0])
    return 0 if _write_and_show(comparison, console, pick_device(device)) else 2


def _check(conflicts: Mapping[str, str], allowed: bool) -> None:
    if conflicts and not allowed:
        first = next(iter(conflicts.values()))
        raise RunError(f"{first}; measure them in the same way, or give --allow-mixed to show them with a warning")


def _write_and_show(comparison: Comparison, console: Console, device: torch.device) -> bool:
    """Write the files and show the results; returns whether no checkpoint that was read is damaged."""
    view = build_view(comparison, provenance.command())
    pictures, warnings, damaged = draw_samples(comparison, device, Reporter(console).stage)
    view = printable_values(view | {**pictures, "warnings": [*view["warnings"], *warnings, *damaged]})
    files = write_files(view, comparison.matrix.out)
    _show_results(console, view)
    console.print(Text(printable(f"report: {files[0]}")), soft_wrap=True)
    return not damaged


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(printable(text), style), soft_wrap=not console.is_terminal)


def _new_table(**options: Any) -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, **options)


# --- while runs are trained -----------------------------------------------------------------------------------------


class RunReporter(Reporter):
    """Shows one run of several: a progress bar in a terminal, lines with its name elsewhere; the log has everything."""

    training_stays = False  # a line for each ended run is enough

    def __init__(self, console: Console, name: str) -> None:
        super().__init__(console)
        self._name = self.training_title = name

    def say(self, text: str, style: str = "") -> None:
        """Show and log a line. In a terminal, only warnings are shown: the matrix shows the rest."""
        if style or not self.console.is_terminal:
            self._print(Text(printable(f"{self._name}: {text}"), style=style))
        self.log(text)

    @contextmanager
    def stage(self, what: str, *, in_bytes: bool = False) -> Iterator[Progress]:
        """See :class:`Reporter`; the bar has the run's name."""
        named = f"{self._name}: {what}" if self.console.is_terminal else what  # a line gets it from say()
        with super().stage(named, in_bytes=in_bytes) as progress:
            yield progress

    def scores(self, rows: list[ScoreRow], caption: str) -> None:
        """Log all scores. The live table shows the first one."""
        self.log_scores(rows, caption)


class LiveMatrix:
    """The table of methods and seeds, updated while runs are trained; lines where the console is not a terminal."""

    def __init__(self, console: Console, matrix: Matrix, states: States) -> None:
        self.console, self.matrix, self.states = console, matrix, dict[Cell, str](states.of)
        self._live: Live | None = None

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show the table, if the console is a terminal."""
        if not self.console.is_terminal:
            yield
            return
        with Live(self._table(), console=self.console, refresh_per_second=4, transient=True) as self._live:
            yield
        self._live = None

    def reporter(self, cell: Cell) -> Reporter:
        """The reporter of one run."""
        return RunReporter(self.console, str(cell))

    def update(self, cell: Cell, state: str, message: str = "") -> None:
        """Show a new state, with its error if there is one."""
        self.states[cell] = state
        style = STYLES.get(state, "dim")
        if self._live:
            self._live.update(self._table())
            if state in ENDED:
                score = "" if message else self._score(cell)
                self.console.print(Text(printable(f"{cell}: {state}{f': {message}' if message else score}"), style))
        else:
            ended = sum(state in ENDED for state in self.states.values())
            text = f"{cell}: {state}{f': {message}' if message else ''} ({ended} of {len(self.states)} runs)"
            self.console.print(Text(printable(text), style), soft_wrap=True)

    def _table(self) -> Table:
        seeds = list(dict.fromkeys(cell.seed for cell in self.matrix.cells))
        table = _new_table()
        table.add_column("method")
        for seed in seeds:
            table.add_column(f"seed {seed}", justify="right", no_wrap=True)
        for method in self.matrix.methods:
            cells = {cell.seed: self._shown(cell) for cell in self.matrix.cells if cell.method is method}
            table.add_row(Text(method.label), *(cells.get(seed, Text("")) for seed in seeds))
        return table

    def _shown(self, cell: Cell) -> Text:
        state = self.states[cell]
        text = "waiting" if state == "unfinished" else state
        if state == "finished":
            text = self._score(cell).removeprefix(", ") or text
        return Text(text, STYLES.get(state, "dim"))

    def _score(self, cell: Cell) -> str:
        """``, fid 1.234``: the first score of a finished run, if it has one."""
        if not (cell.resolved and cell.resolved.metrics):
            return ""
        score = cell.resolved.metrics[0].spec.outputs[0].name
        evaluation = None
        with suppress(CganzooError):
            evaluation = cell.folder.manifest().evaluation
        value = evaluation.scores.get(score) if evaluation else None
        failed = evaluation and value is None and cell.resolved.metrics[0].spec.name in evaluation.failures
        return f", {score} {'failed' if failed else number(value)}"


# --- before training ------------------------------------------------------------------------------------------------


def _show_fairness(console: Console, comparison: Comparison, untrained: Mapping[str, Untrained]) -> None:
    """Show the differences of the recipes, and the methods side by side."""
    labels = {method.name: method.label for method in comparison.methods}
    shown = side_by_side(comparison, untrained)
    unexpected = [row for row in shown["differences"] if not row["expected"]]
    _show_losses(console, [row for row in shown["differences"] if row["key"].startswith("loss.")], labels)
    for note in shown["notes"]:
        _say(console, note, "yellow" if unexpected else "")
    if unexpected:
        rows = [(row["key"], row["values"]) for row in unexpected[:MOST_KEYS]]
        _show_values(console, "differs", labels, rows, "yellow")
        if len(unexpected) > MOST_KEYS:
            console.print(Text(f"and {len(unexpected) - MOST_KEYS} more keys; the report shows all", "dim"))
    known = [row for row in shown["facts"] if set(row["values"].values()) != {fairness.ABSENT}]
    _show_values(console, "", labels, [(row["name"], row["values"]) for row in known], "")


def _show_losses(console: Console, options: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> None:
    """Show a line for each method, with the options of its loss that differ."""
    if not options:
        return
    table = _new_table()
    table.add_column("method", no_wrap=True)
    table.add_column(Text("[loss], where it differs"), overflow="fold")
    for name, label in labels.items():
        values = [(row["key"].removeprefix("loss."), row["values"][name]) for row in options]
        shown = [printable(f"{key} {value}") for key, value in values if value != fairness.ABSENT]
        table.add_row(Text(label), Text(", ".join(shown)))
    console.print(table)


def _show_values(
    console: Console, head: str, labels: Mapping[str, str], rows: Sequence[tuple[str, Mapping[str, str]]], style: str
) -> None:
    """Show the values of the methods; a value that several methods share is shown once."""
    table = _new_table(show_header=bool(head))
    for column in (head, "value", "methods"):
        table.add_column(column, overflow="fold")
    for key, values in rows:
        groups: dict[str, list[str]] = {}
        for name, label in labels.items():
            groups.setdefault(values.get(name, fairness.ABSENT), []).append(label)
        for place, (value, members) in enumerate(groups.items()):
            methods = "all" if len(groups) == 1 else ", ".join(members)
            table.add_row(
                Text("" if place else printable(key), style), Text(printable(value), style), Text(methods, "dim")
            )
    console.print(table)


# --- results --------------------------------------------------------------------------------------------------------


def _show_results(console: Console, view: View) -> None:
    """Show the tables of scores, and what can be concluded."""
    columns = [score for score in view["scores"] if score["headline"]]
    across = max(1, (console.width - METHOD_WIDTH) // SCORE_WIDTH)

    for part in view["tables"]:
        for start in range(0, len(columns), across):
            table = _score_table(view, part, columns[start : start + across])
            table.title = Text(part["title"], "bold") if start == 0 else None
            console.print(table)
        if part["id"] != "last":
            _say(console, part["note"], "dim")
            continue
        cells = [cell for row in part["rows"] for cell in row["cells"].values()]
        suspect = "; !: suspicious, see the warnings" if any(cell["mark"] == "suspect" for cell in cells) else ""
        _say(console, f"bold: best; ~: no significant difference from the best{suspect}", "dim")
        if view["published"]:
            text = f"published: {view['published']['source']}; {view['published']['difference']}"
            _say(console, " ".join(text.split()), "dim")
    for text in view["summary"]:
        _say(console, text)
    for text in view["warnings"]:
        _say(console, text, "yellow")


def _score_table(view: View, part: Mapping[str, Any], columns: Sequence[Mapping[str, Any]]) -> Table:
    labels = {method["id"]: method["label"] for method in view["methods"]}
    values = (view["published"] or {"values": {}})["values"] if part["id"] == "last" else {}
    published = published_scores(view) if values else []
    table = _new_table(title_justify="left")
    table.add_column("method")
    names: list[tuple[str, bool]] = []  # of each column: its score, and whether its values are published ones
    for score in columns:
        arrow = {True: " ↑", False: " ↓", None: ""}[score["higher_is_better"]]
        table.add_column(score["name"].replace("_", " ") + arrow, justify="right")  # so that long names are wrapped
        names.append((score["name"], False))
        if score["name"] in published:
            table.add_column("published", justify="right", style="dim")
            names.append((score["name"], True))
    for row in part["rows"]:
        printed = values.get(row["method"], {})
        cells = [Text(number(printed.get(name))) if paper else _cell(row["cells"][name]) for name, paper in names]
        table.add_row(Text(labels[row["method"]]), *cells)
    for real in part["real"]:
        cells = [Text("" if paper else f"{number(real['cells'].get(name))}  ") for name, paper in names]
        table.add_row(Text(real["label"]), *cells, style="dim")
    return table


def _cell(cell: Mapping[str, Any]) -> Text:
    mark = {"best": "  ", "tie": " ~", "suspect": " !", "": "  "}[cell["mark"]]
    return Text(mean_and_spread(cell) + mark, "bold" if cell["mark"] == "best" else "")
