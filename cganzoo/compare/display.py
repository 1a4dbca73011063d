"""A comparison in a terminal: what differs, the matrix while it runs, the table at the end. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cganzoo.console.reporter import Reporter, ScoreRow, number
from cganzoo.errors import CganzooError

from .plan import Cell, Plan, State
from .view import View, published_scores

STYLES = {
    "finished": "green",
    "running": "bold cyan",
    "diverged": "yellow",
    "failed": "red",
    "unfinished": "dim",
    "new": "dim",
}
METHOD_WIDTH, SCORE_WIDTH = 18, 20  # of a column, for how many go side by side
MOST_KEYS = 12  # differing keys to show in a terminal; the report has all


class CellReporter(Reporter):
    """Shows one run of many: its bar in a terminal, its lines elsewhere, everything in its log.

    Args:
        console: where to show it.
        name: what lines begin with.
    """

    def __init__(self, console: Console, name: str) -> None:
        super().__init__(console)
        self._name = name

    def say(self, text: str, style: str = "") -> None:
        """One line; in a terminal only if it is a warning, as the matrix says the rest."""
        if style or not self.console.is_terminal:
            self._print(Text(f"{self._name}: {text}", style=style))
        self.log(text)

    def scores(self, rows: list[ScoreRow], caption: str) -> None:
        """Into the log; the matrix shows the one that counts."""
        self.log_scores(rows, caption)


class Matrix:
    """The table of methods and seeds, kept up to date while they are trained.

    Args:
        console: where to show it.
        plan: what is trained.
        states: of the runs, when it begins.
    """

    def __init__(self, console: Console, plan: Plan, states: Mapping[Cell, State]) -> None:
        self.console, self.plan, self.states = console, plan, dict[Cell, str](states)
        self._live: Live | None = None

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Live in a terminal."""
        if not self.console.is_terminal:
            yield
            return
        with Live(self._table(), console=self.console, refresh_per_second=4, transient=True) as live:
            self._live = live
            yield
        self._live = None

    def reporter(self, cell: Cell) -> Reporter:
        """What shows one run."""
        return CellReporter(self.console, _name(cell))

    def tell(self, cell: Cell, state: str, sentence: str) -> None:
        """A run's state has changed."""
        self.states[cell] = state
        if self._live:
            self._live.update(self._table())
            if state in ("failed", "diverged"):
                self.console.print(Text(f"{_name(cell)} {state}: {sentence}", STYLES[state]))
        else:
            ended = sum(state in ("finished", "diverged", "failed") for state in self.states.values())
            text = f"{_name(cell)}: {state}{f': {sentence}' if sentence else ''} ({ended} of {len(self.states)} runs)"
            self.console.print(Text(text, STYLES[state]), soft_wrap=True)

    def _table(self) -> Table:
        seeds = list(dict.fromkeys(cell.seed for cell in self.plan.cells))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("method")
        for seed in seeds:
            table.add_column(f"seed {seed}", justify="right", no_wrap=True)
        for method in self.plan.methods:
            cells = {cell.seed: cell for cell in self.plan.of(method)}
            table.add_row(Text(method.label), *(self._shown(cells.get(seed)) for seed in seeds))
        return table

    def _shown(self, cell: Cell | None) -> Text:
        if cell is None:
            return Text("")
        state = self.states[cell]
        if state == "finished" and cell.resolved and cell.resolved.metrics:
            score = cell.resolved.metrics[0].spec.outputs[0].name
            try:
                evaluation = cell.folder.manifest().evaluation
            except CganzooError:
                evaluation = None
            value = evaluation.scores.get(score) if evaluation else None
            return Text(f"{score} {number(value)}", STYLES[state])
        return Text({"new": "waiting", "unfinished": "waiting"}.get(state, state), STYLES[state])


def _name(cell: Cell) -> str:
    return f"{cell.method.label}, seed {cell.seed}"


# --- before ---------------------------------------------------------------------------------------------------------


def show_fairness(console: Console, fairness: Mapping[str, Any], labels: Mapping[str, str]) -> None:
    """The recipes' differences, and what must be side by side."""
    unexpected = [row for row in fairness["differences"] if not row["expected"]]
    _show_losses(console, fairness["differences"], labels)
    for note in fairness["notes"]:
        console.print(Text(note, "yellow" if unexpected else ""), soft_wrap=not console.is_terminal)
    if unexpected:
        rows = [(row["key"], row["values"], True) for row in unexpected]
        _show_values(console, "differs", labels, rows[:MOST_KEYS])
        if len(rows) > MOST_KEYS:
            console.print(Text(f"and {len(rows) - MOST_KEYS} more keys: the report has them all", "dim"))
    _show_values(console, "", labels, [(fact["name"], fact["values"], False) for fact in fairness["facts"]])


def _show_losses(console: Console, differences: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> None:
    """What makes the methods what they are: a line each."""
    options = [row for row in differences if row["key"].startswith("loss.")]
    if not options:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("method", no_wrap=True)
    table.add_column("[loss], where it differs".replace("[", "\\["), overflow="fold")
    for name, label in labels.items():
        told = [
            f"{row['key'].removeprefix('loss.')} {row['values'][name]}" for row in options if row["values"][name] != "-"
        ]
        table.add_row(Text(label), Text(", ".join(told)))
    console.print(table)


def _show_values(
    console: Console, head: str, labels: Mapping[str, str], rows: Sequence[tuple[str, Mapping[str, str], bool]]
) -> None:
    """Rows of values by method; one that several methods share is told once."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=bool(head))
    for column in (head, "value", "of"):
        table.add_column(column, overflow="fold")
    for key, values, loud in rows:
        groups: dict[str, list[str]] = {}
        for name, label in labels.items():
            groups.setdefault(values.get(name, "-"), []).append(label)
        for place, (value, members) in enumerate(groups.items()):
            of = "all" if len(groups) == 1 else ", ".join(members)
            style = "yellow" if loud else ""
            table.add_row(Text("" if place else key, style), Text(value, style), Text(of, "dim"))
    console.print(table)


# --- after ----------------------------------------------------------------------------------------------------------


def show_results(console: Console, view: View) -> None:
    """The tables of scores, and what can be concluded."""
    wrapped = not console.is_terminal
    columns = [score for score in view["scores"] if score["headline"]]
    across = max(1, (console.width - METHOD_WIDTH) // SCORE_WIDTH)
    for part in view["tables"]:
        for start in range(0, len(columns), across):
            table = _table(view, part, columns[start : start + across])
            table.title = Text(part["title"], "bold") if start == 0 else None
            console.print(table)
        if part["id"] == "last":
            console.print(Text("bold: best; ~: not told apart from it", "dim"), soft_wrap=wrapped)
            if view["published"]:
                text = f"published: {view['published']['source']}; {view['published']['difference']}"
                console.print(Text(" ".join(text.split()), "dim"), soft_wrap=wrapped)
        else:
            console.print(Text(part["note"], "dim"), soft_wrap=wrapped)
    for sentence in view["summary"]:
        console.print(Text(sentence), soft_wrap=wrapped)
    for sentence in view["warnings"]:
        console.print(Text(sentence, "yellow"), soft_wrap=wrapped)


def _table(view: View, part: Mapping[str, Any], columns: Sequence[Mapping[str, Any]]) -> Table:
    """As many scores as fit side by side."""
    labels = {method["id"]: method["label"] for method in view["methods"]}
    told = (view["published"] or {"values": {}})["values"] if part["id"] == "last" else {}
    published = published_scores(view) if told else []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    table.add_column("method")
    for score in columns:
        arrow = {True: " ↑", False: " ↓", None: ""}[score["higher_is_better"]]
        table.add_column(score["name"].replace("_", " ") + arrow, justify="right")  # spaces, to be wrapped at
        if score["name"] in published:
            table.add_column("published", justify="right", style="dim")
    for row in part["rows"]:
        cells = []
        for score in columns:
            cells.append(_cell(row["cells"][score["name"]]))
            if score["name"] in published:
                cells.append(Text(number(told.get(row["method"], {}).get(score["name"]))))
        table.add_row(Text(labels[row["method"]]), *cells)
    for reference in part["real"]:
        cells = []
        for score in columns:
            cells += [Text(f"{number(reference['cells'].get(score['name']))}  ")]
            cells += [Text("")] * (score["name"] in published)
        table.add_row(Text(reference["label"]), *cells, style="dim")
    return table


def _cell(cell: Mapping[str, Any]) -> Text:
    spread = "" if cell["sd"] is None else f" ± {cell['sd']:.2g}"
    mark = {"best": "  ", "tie": " ~", "": "  "}[cell["mark"]]
    return Text(f"{number(cell['mean'])}{spread}{mark}", "bold" if cell["mark"] == "best" else "")
