"""The command line: one thin function for each command, which imports what it needs when it is called."""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cganzoo._util.memory import is_out_of_memory, what_ran_out
from cganzoo._util.text import shortened
from cganzoo._version import __version__
from cganzoo.console.streams import print_labelled, print_line, printable, stderr_console, stdout_console
from cganzoo.errors import CganzooError

from .compare import compare, report, seconds
from .damage import show_damage_warnings
from .data import data_app
from .group import Group
from .plugin import plugin_app
from .recipes import recipes_app

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="cganzoo",
    cls=Group,
    help="A modular zoo of class-conditional GANs: methods are plugins, runs are TOML recipes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)
app.add_typer(recipes_app, name="recipes")
app.add_typer(data_app, name="data")
app.add_typer(plugin_app, name="plugin")

DEBUG = "--debug"
LONGEST_MESSAGE = 4000
"""Characters of an error that are printed: it may quote what the user wrote."""


def main(arguments: list[str] | None = None) -> None:
    """The command ``cganzoo``. A user's mistake ends with one message and exit code 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # an arrow must not stop a run whose output is not UTF-8
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            show_damage_warnings()
            command()([argument for argument in arguments if argument != DEBUG], prog_name="cganzoo")
    except Exception as error:
        if not isinstance(error, (CganzooError, OSError)) and not is_out_of_memory(error) and not _no_home(error):
            raise
        if DEBUG in arguments:
            print(printable(traceback.format_exc()), file=sys.stderr)
        print_labelled("[bold red]error:[/]", shortened(_message(error), LONGEST_MESSAGE))
        sys.exit(CganzooError.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def command() -> Any:
    """The command with all its subcommands; the help shows no type for options that take no value."""
    found = typer.main.get_command(app)
    waiting: list[Any] = [found]
    while waiting:
        one = waiting.pop()
        for option in one.get_params(one.context_class(one, **SETTINGS)):  # with --help
            if getattr(option, "is_flag", False):
                option.metavar = ""  # or else "<bool>"
        waiting += getattr(one, "commands", {}).values()
    return found


def _no_home(error: Exception) -> bool:
    """Whether a path begins with ``~`` and a name that is no user's; pathlib raises a plain RuntimeError."""
    return isinstance(error, RuntimeError) and str(error).startswith("Could not determine home directory")


def _message(error: Exception) -> str:
    if isinstance(error, CganzooError):
        return str(error)
    if _no_home(error):
        return 'a path begins with "~" and the name of no user of this machine; write the whole path'
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return f"{error.filename}: {reason}" if error.filename else reason
    return f"{what_ran_out(error)}; ask for less at a time: fewer images (-n), a smaller size or batch_size"


def _version(wanted: bool) -> None:
    if wanted:
        print(f"cganzoo {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of an error; works anywhere.")] = False,
) -> None:
    """Options of every command."""
    from cganzoo.registry.discovery import ignore_unreadable_entry_points

    ignore_unreadable_entry_points()  # before anything imports pydantic


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(help="Recipe file, or the name of one that comes with the zoo.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one value: train.steps=200.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same as --set train.seed=N.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for runs: OUT/<recipe>/seed-<n>/.")] = Path("runs"),
    device: Annotated[str, typer.Option(help='"auto", "cpu", "cuda", "cuda:1" ...')] = "auto",
    time_limit: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="Stop cleanly after a time in s, m or h: 90s, 9m, 1h30m."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the earlier run and start over.")] = False,
) -> None:
    """Train a recipe and score it. To resume a run, give the same command again."""
    from cganzoo.recipe.read import load_recipe
    from cganzoo.recipe.resolve import resolve
    from cganzoo.runs.folder import RunFolder
    from cganzoo.runs.initial_weights import with_hash

    limit = None if time_limit is None else seconds(time_limit)
    overrides = [*(overrides or []), *([f"train.seed={seed}"] if seed is not None else [])]
    resolved = resolve(load_recipe(recipe, overrides))
    folder = RunFolder(out / resolved.recipe.name / f"seed-{resolved.recipe.sections.train.seed}")
    resolved = with_hash(resolved, folder, fresh=fresh)

    from cganzoo.session.device import pick_device  # torch, from here on

    where = pick_device(device)  # before the folder is made
    with folder.claimed():
        if not fresh:
            folder.check_same_recipe(resolved)

        from cganzoo.console.reporter import Reporter
        from cganzoo.session.run import Session
        from cganzoo.train.stop import Stop

        reporter = Reporter(stdout_console(), folder.log_file)
        if added := resolved.recipe.filled_in:
            reporter.say(f"[requires] plugins: {', '.join(added)} added, because the recipe names their components")
        stop = Stop.after(limit)
        try:
            finished = Session(resolved, folder, reporter, where).run(stop, fresh=fresh)
        except CganzooError as error:
            reporter.log(f"error: {error}")
            raise
    if stop.signal is not None and not finished:
        raise typer.Exit(128 + stop.signal)


@app.command()
def sample(
    source: Annotated[str, typer.Argument(metavar="RUN|FILE", help="Run folder, or file that `export` wrote.")],
    classes: Annotated[
        list[str] | None, typer.Option("--class", "-c", metavar="CLASS", help="Name or index; may be repeated.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", "-n", min=1, help="Number of images, or of rows; default: 10 of each class, 10 rows."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="A picture file for a grid, or a folder for separate PNG images.")
    ] = Path("samples.png"),
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
    truncation: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            help="More typical, less different images: noise up to T, or for networks that map the noise to codes, "
            "T times the distance to the mean code of the class. 0: no variety.",
        ),
    ] = None,
    statistics: Annotated[
        Literal["standing", "batch"] | None,
        typer.Option(help="Batch normalisation: fixed statistics, or those of each batch; default: as the recipe."),
    ] = None,
    interpolate: Annotated[
        bool,
        typer.Option(
            "--interpolate",
            help="Draw rows from one noise to another, or with two --class, from one class to the other; --out x.webp "
            "is an animation.",
        ),
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=2, help="Images of a row of --interpolate; default: 10, of an animation 25.")
    ] = None,
    device: Annotated[str, typer.Option(help='"auto", "cpu", "cuda" ...')] = "auto",
) -> None:
    """Draw images from a trained generator. Does not need the data set."""
    from cganzoo.console.reporter import Reporter
    from cganzoo.errors import RunError

    from . import interpolate as rows
    from .sample import How, draw

    if steps is not None and not interpolate:
        raise RunError("--steps: is the length of the rows of --interpolate, which is not given; use -n for images")
    how, reporter = How(seed=seed, truncation=truncation, statistics=statistics), Reporter(stdout_console())
    if interpolate:
        written = rows.interpolate(source, classes or [], count, steps, out, how, device, reporter)
    else:
        written = draw(source, classes or [], count, out, how, device, reporter)
    print_line(f"samples: {written}")


@app.command()
def export(
    source: Annotated[str, typer.Argument(metavar="RUN", help="Run folder.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.safetensors", help="Where to write.")],
) -> None:
    """Write the trained generator to one file that also holds its recipe and provenance."""
    from cganzoo.errors import RunError
    from cganzoo.images.trained_generator import from_run, save
    from cganzoo.runs.folder import find_run

    if file.suffix != ".safetensors":
        raise RunError(f"{file}: must end in .safetensors")
    save(from_run(find_run(source), warn=lambda text: print_labelled("[yellow]warning:[/]", text)), file)
    print_line(f"generator: {file}")


@app.command()
def evaluate(
    source: Annotated[str, typer.Argument(metavar="RUN", help="Run folder.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print step, scores, scores of real images and protocol as JSON.")
    ] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one value for this evaluation: data.root=FOLDER."),
    ] = None,
    device: Annotated[str, typer.Option(help='"auto", "cpu", "cuda" ...')] = "auto",
) -> None:
    """Score a run's newest checkpoint as its recipe says."""
    from cganzoo.console.reporter import Reporter
    from cganzoo.errors import RunError
    from cganzoo.runs.folder import find_run
    from cganzoo.session.device import pick_device, reproducible
    from cganzoo.session.scorer import evaluate_run, show

    # With --json, progress goes to standard error: standard output holds only the JSON.
    reporter = Reporter(stderr_console() if as_json else stdout_console())
    where = pick_device(device)
    with reproducible(where):
        step, resolved, evaluation = evaluate_run(find_run(source), reporter, where, overrides or [])
    if as_json:
        parts = ("scores", "real_test", "real_halves", "failures", "protocol")
        printed = {"step": step, **{name: getattr(evaluation, name) for name in parts}}
        print(json.dumps(printed, indent=2, allow_nan=False))
    else:
        show(evaluation, resolved, reporter)
    if len(evaluation.failures) == len(resolved.metrics):
        raise RunError(f"{source}: no metric could be computed; the messages above say why")


app.command()(compare)
app.command()(report)


@app.command()
def plugins(
    name: Annotated[
        str | None, typer.Argument(help="Show one component: its options, its paper and its lines in a recipe.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the installed components, their distributions, and why a plugin could not be loaded."""
    from .plugin_list import show_plugins

    show_plugins(name, as_json=as_json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of recipes, with the options of the installed components, for editors."""
    from cganzoo.recipe.json_schema import recipe_schema
    from cganzoo.registry.probe import load_survivors

    from .plugin_list import report_failures

    registry = load_survivors()
    print(json.dumps(recipe_schema(registry), indent=2))
    report_failures(registry)
