"""A comparison in a terminal: what differs, the matrix while it runs, the table at the end. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cganzoo.errors import CganzooError
from cganzoo.terminal import Reporter, ScoreRow, number

from .plan import Cell, Plan
from .view import View

STYLES = {
    "finished": "green",
    "running": "bold cyan",
    "diverged": "yellow",
    "failed": "red",
    "unfinished": "dim",
    "new": "dim",
}
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

    def __init__(self, console: Console, plan: Plan, states: Mapping[Cell, str]) -> None:
        self.console, self.plan, self.states = console, plan, dict(states)
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
                value = cell.folder.manifest().get("scores", {}).get(score)
            except CganzooError:
                value = None
            return Text(f"{score} {number(value)}", STYLES[state])
        return Text({"new": "waiting", "unfinished": "waiting"}.get(state, state), STYLES[state])


def _name(cell: Cell) -> str:
    return f"{cell.method.label}, seed {cell.seed}"


# --- before ---------------------------------------------------------------------------------------------------------


def show_fairness(console: Console, fairness: Mapping[str, Any], labels: Mapping[str, str]) -> None:
    """The recipes' differences, and what must be side by side."""
    names = list(labels)
    if fairness["differences"]:
        unexpected = [row for row in fairness["differences"] if not row["expected"]]
        rows = [*unexpected, *(row for row in fairness["differences"] if row["expected"])]
        _wide(console, "differs", names, labels, [(row["key"], row["values"], not row["expected"]) for row in rows])
        if len(rows) > MOST_KEYS:
            console.print(Text(f"and {len(rows) - MOST_KEYS} more keys: the report has them all", "dim"))
    for note in fairness["notes"]:
        differs = any(not row["expected"] for row in fairness["differences"])
        console.print(Text(note, "yellow" if differs else ""), soft_wrap=not console.is_terminal)
    _wide(console, "the same question", names, labels, [(f["name"], f["values"], False) for f in fairness["facts"]])


def _wide(
    console: Console, head: str, names: list[str], labels: Mapping[str, str], rows: list[tuple[str, Any, bool]]
) -> None:
    """Rows of values by method; those that all methods share are told once."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("" if head == "the same question" else head)
    table.add_column("value", overflow="fold")
    table.add_column("of", overflow="fold")
    for key, values, loud in rows[:MOST_KEYS]:
        groups: dict[str, list[str]] = {}
        for name in names:
            groups.setdefault(values.get(name, "-"), []).append(labels[name])
        for place, (value, members) in enumerate(groups.items()):
            of = "all" if len(groups) == 1 and len(names) > 1 else ", ".join(members)
            style = "yellow" if loud else ""
            table.add_row(Text(key if place == 0 else "", style), Text(value, style), Text(of, "dim"))
    console.print(table)


# --- after ----------------------------------------------------------------------------------------------------------


def show_results(console: Console, view: View) -> None:
    """The tables of scores, and what can be concluded."""
    labels = {method["id"]: method["label"] for method in view["methods"]}
    columns = [score for score in view["scores"] if score["headline"]]
    for part in view["tables"]:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=part["title"], title_justify="left")
        table.add_column("method")
        for score in columns:
            arrow = {True: " ↑", False: " ↓", None: ""}[score["higher_is_better"]]
            table.add_column(score["name"] + arrow, justify="right")
        published = _published(view) if part["id"] == "last" else []
        for name in published:
            table.add_column(f"{name}, published", justify="right")
        for row in part["rows"]:
            values = (view["published"] or {"values": {}})["values"].get(row["method"], {})
            told = [Text(number(values.get(name)), "dim") for name in published]
            cells = [_cell(row["cells"][score["name"]]) for score in columns]
            table.add_row(Text(labels[row["method"]]), *cells, *told)
        for reference in part["real"]:
            real = [Text(number(reference["cells"].get(score["name"])), "dim") for score in columns]
            table.add_row(Text(reference["label"], "dim"), *real, *(Text("") for _ in published))
        console.print(table)
        wrapped = not console.is_terminal
        if part["id"] == "last":
            console.print(Text("bold: best; ~: not told apart from it", "dim"), soft_wrap=wrapped)
            if view["published"]:
                text = f"published: {view['published']['source']}; {view['published']['difference']}"
                console.print(Text(" ".join(text.split()), "dim"), soft_wrap=wrapped)
        else:
            console.print(Text(part["note"], "dim"), soft_wrap=wrapped)
    for sentence in view["summary"]:
        console.print(Text(sentence), soft_wrap=not console.is_terminal)
    for sentence in view["warnings"]:
        console.print(Text(sentence, "yellow"), soft_wrap=not console.is_terminal)


def _published(view: View) -> list[str]:
    values = (view["published"] or {"values": {}})["values"].values()
    return [score["name"] for score in view["scores"] if any(score["name"] in row for row in values)]


def _cell(cell: Mapping[str, Any]) -> Text:
    spread = "" if cell["sd"] is None else f" ± {cell['sd']:.2g}"
    mark = {"best": "  ", "tie": " ~", "": "  "}[cell["mark"]]
    return Text(f"{number(cell['mean'])}{spread}{mark}", "bold" if cell["mark"] == "best" else "")
