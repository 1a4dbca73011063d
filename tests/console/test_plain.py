"""Text from elsewhere in a terminal: brackets stay, and control codes are escaped, whatever prints them."""

from __future__ import annotations

import ast
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

import cganzoo
from cganzoo.console import streams
from cganzoo.console.plain import PlainConsole
from cganzoo.console.reporter import Reporter, ScoreRow
from cganzoo.console.streams import printable
from cganzoo.images import grids

NASTY = "a[b] [/] [red]c[/red] :smile: \x1b[31m\x1b]0;title\x07 \r\x08\x7f \x9b2J \u202egnp.exe \u2028 \udcff"
SHOWN = r"a[b] [/] [red]c[/red] :smile: \x1b[31m\x1b]0;title\x07 \r\x08\x7f \x9b2J \u202egnp.exe \u2028 \udcff"


def table(text: str) -> Table:
    made = Table(text)
    made.add_row(text)
    return made


RENDERABLES: dict[str, Callable[[str], object]] = {
    "text": lambda text: text,
    "rich text": Text,
    "table": table,
    "panel": lambda text: Panel(text, title="x"),
}


@pytest.mark.parametrize("kind", RENDERABLES)
@pytest.mark.parametrize("terminal", [False, True])
def test_no_control_code_and_no_markup_in_anything_printed(kind: str, terminal: bool) -> None:
    file = io.StringIO()
    console = PlainConsole(file=file, force_terminal=terminal, color_system=None, width=400)
    console.print(RENDERABLES[kind](NASTY))
    shown = file.getvalue()
    assert printable(shown) == shown
    for piece in ("a[b] [/] [red]c[/red] :smile:", r"\x1b[31m", r"\udcff"):
        assert piece in shown


def test_a_reporter_shows_and_logs_text_as_it_is(tmp_path: Path) -> None:
    file = io.StringIO()
    reporter = Reporter(Console(file=file, width=400), tmp_path / "log.txt")
    reporter.say(NASTY, style="yellow")
    assert file.getvalue() == SHOWN + "\n"
    assert (tmp_path / "log.txt").read_text().rstrip("\n").endswith(SHOWN)


def test_progress_scores_and_stages_show_text_as_it_is() -> None:
    file = io.StringIO()
    console = PlainConsole(file=file, force_terminal=True, color_system=None, width=200)
    reporter = Reporter(console)
    with reporter.stage("[/] " + NASTY) as progress:
        progress(1, 2)
    with reporter.training(0, 2) as display:
        display.terms(1, {f"generator/{NASTY}": 1.0}, 1.0)
    reporter.scores([ScoreRow(NASTY, 1.0, None, None)], NASTY)
    for code in ("\x1b]0", "\x07", "\x9b", "\u202e", "\x1b[31m"):
        assert code not in file.getvalue()


def test_lines_and_labels_are_printed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    streams.print_line(NASTY)
    streams.print_labelled("[bold red]error:[/]", NASTY)
    out, err = capsys.readouterr()
    assert out == SHOWN + "\n"
    assert err == f"error: {SHOWN}\n"


PRINTS_JSON = {
    "cli/main.py",
    "cli/plugin_list.py",
    "console/tables.py",
    "registry/probe_child.py",
    "testing/bench.py",
    "testing/plugin_check.py",
}
"""Files that use Python's own ``print``: for JSON, the version, and text that is printable."""


def test_every_console_is_a_plain_one() -> None:
    """A console of rich reads text as markup, and so do some of its parts."""
    root = Path(cganzoo.__file__).parent
    for file in root.rglob("*.py"):
        name = file.relative_to(root).as_posix()
        if name.startswith("templates/"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            function = ast.unparse(node.func)
            where = f"{name}:{node.lineno}: {ast.unparse(node)[:80]}"
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert function != "Console", f"{where}: use cganzoo.console.streams"
            assert options.get("markup", "False") == "False", where
            assert function != "TextColumn" or options.get("markup") == "False" or len(node.args[0].value) < 6, where
            assert not function.endswith("from_markup") or name == "console/streams.py", where
            assert function != "print" or name in PRINTS_JSON, where
            assert function not in ("rich.print", "typer.echo", "typer.secho", "click.echo", "Prompt.ask"), where


@pytest.mark.parametrize("name", [NASTY, "two\nlines", "x" * 300, "", "\udcff", "\x00"])
def test_a_grid_has_a_row_for_a_class_of_any_name(name: str) -> None:
    sheet = grids.class_grid({0: torch.zeros(3, 1, 8, 8)}, [name])
    assert isinstance(sheet, Image.Image)
    assert np.asarray(sheet).shape[1] < 1500


CODE = "\x1b[31m"
MISTAKES = [
    ["run", f"{CODE}[/x]"],
    [f"--{CODE}"],
    [CODE],
    ["sample", "x", "-n", CODE],
    ["run", f"--{CODE}"],
    ["sample", "[/b]\x07"],
    ["run", "x", "--set", f"a{CODE}=[/]"],
    ["data", "info", CODE],
    ["plugins", f"{CODE}[/]"],
    ["recipes", "copy", f"{CODE}[/]"],
    ["compare", f"{CODE}[/]"],
]


@pytest.mark.parametrize("arguments", MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_shows_no_control_code_of_an_argument(arguments: list[str], command) -> None:
    result = command(*arguments)
    assert result.code == 2
    assert printable(result.err) == result.err
