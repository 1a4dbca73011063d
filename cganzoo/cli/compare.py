"""``cganzoo compare`` and ``cganzoo report``. Each function imports what it needs when it is called."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from cganzoo._util.text import one_line
from cganzoo.console.streams import stdout_console
from cganzoo.errors import CganzooError, RecipeError


def compare(
    arguments: Annotated[
        list[str],
        typer.Argument(metavar="RECIPE|GROUP|RUN...", help="Recipes, a group of recipes, or folders of runs."),
    ],
    seeds: Annotated[str | None, typer.Option(help="Seeds of every recipe; default: the group's, or 0,1,2.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one value of every recipe: train.steps=200."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the report and of new runs; default: runs/<group>, runs, or runs/comparison for runs only."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help='"auto", "cpu", "cuda", "cuda:1" ...')] = "auto",
    time_limit: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="Stop cleanly after a time in s, m or h: 90s, 9m, 1h30m."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start every run over.")] = False,
    rank_by: Annotated[
        str | None,
        typer.Option(
            "--rank-by",
            metavar="SCORE",
            help="Score that ranks methods; default: the group's, or one that a collapsed generator cannot win.",
        ),
    ] = None,
    allow_mixed: Annotated[
        bool, typer.Option("--allow-mixed", help="Show scores that were measured in different ways, with a warning.")
    ] = False,
) -> None:
    """Train methods under identical conditions, show differences and how certain the ranking is, write a report."""
    from cganzoo.compare.matrix import build_matrix

    limit = None if time_limit is None else seconds(time_limit)
    matrix = build_matrix(arguments, seeds=_seeds(seeds), overrides=overrides or [], out=out, rank_by=rank_by)
    if fresh and not matrix.trains:
        raise RecipeError("--fresh: is for recipes, but all arguments are runs; name a recipe, or remove it")

    from cganzoo.compare.terminal import compare as run  # imports torch

    if code := run(matrix, stdout_console(), device, limit, fresh=fresh, mixed=allow_mixed):
        raise typer.Exit(code)


def report(
    source: Annotated[str, typer.Argument(metavar="RUN", help="Run folder.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the report and the tables; default: RUN.")] = None,
    device: Annotated[str, typer.Option(help='"auto", "cpu", "cuda" ...')] = "auto",
) -> None:
    """Show one run, and write its report (a page that needs no network) and its tables."""
    from cganzoo.compare.matrix import build_matrix
    from cganzoo.runs.folder import find_run

    folder = find_run(source)
    matrix = build_matrix([str(folder.path)], seeds=None, overrides=[], out=out or folder.path)

    from cganzoo.compare.terminal import report as write  # imports torch

    if code := write(matrix, stdout_console(), device):
        raise typer.Exit(code)


def _seeds(text: str | None) -> list[int] | None:
    """The seeds of ``"0,1,2"``."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) <= 10 and int(part) < 2**32 for part in parts):
        raise RecipeError(f'--seeds {one_line(text)}: write seeds as whole numbers with commas, like "0,1,2"')
    seeds = [int(part) for part in parts]
    if len(set(seeds)) < len(seeds):
        raise RecipeError(f"--seeds {one_line(text)}: a seed is listed more than once")
    return seeds


def seconds(text: str) -> float:
    """``"1h30m"``, ``"0.5h"``, ``"9m"`` or ``"90s"`` in seconds. A number without its unit is an error."""
    number = r"(\d+(?:\.\d+)?)"
    match = re.fullmatch(rf"(?:{number}h)?(?:{number}m)?(?:{number}s)?", text.strip())
    if match is None or not any(match.groups()):
        wrong = "has a number without a unit" if re.fullmatch(r"[\d.hms]*\d", text.strip()) else "is not a time"
        raise CganzooError(
            f'--for {one_line(text)}: {wrong}; write seconds, minutes and hours like "90s", "9m" or "1h30m"'
        )
    hours, minutes, rest = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + rest
