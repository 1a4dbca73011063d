"""The command line: one thin function per verb, each importing what it needs when it is called."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from cganzoo._version import __version__
from cganzoo.console.streams import escaped, stderr_console, stdout_console
from cganzoo.errors import CganzooError

from .compare import compare, report, seconds
from .data import data_app
from .plugin import plugin_app

app = typer.Typer(
    name="cganzoo",
    help="A modular zoo of class-conditional GANs: methods are plugins, runs are TOML recipes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
recipes_app = typer.Typer(help="List the recipes that come with the zoo, or copy one.", invoke_without_command=True)
app.add_typer(recipes_app, name="recipes")
app.add_typer(data_app, name="data")
app.add_typer(plugin_app, name="plugin")

DEBUG = "--debug"


def main(arguments: list[str] | None = None) -> None:
    """The ``cganzoo`` command. A user's mistake ends in one sentence and exit code 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = DEBUG in arguments
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # an arrow must not end a run whose output is not UTF-8
            stream.reconfigure(errors="backslashreplace")
    try:
        app([argument for argument in arguments if argument != DEBUG], prog_name="cganzoo")
    except CganzooError as error:
        if debug:
            traceback.print_exc()
        stderr_console().print(f"[bold red]error:[/] {escaped(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except (OSError, MemoryError) as error:
        if debug:
            traceback.print_exc()
        place = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or "out of memory"
        stderr_console().print(f"[bold red]error:[/] {escaped(place + reason)}", highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


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
    from cganzoo.registry import entry_points

    entry_points.confine()  # before anything imports pydantic


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(help="Recipe file, or the name of one that comes with the zoo.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one value: train.steps=200.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same as --set train.seed=N.")] = None,
    out: Annotated[Path, typer.Option(help="Where runs are kept: OUT/<recipe>/seed-<n>/.")] = Path("runs"),
    device: Annotated[str, typer.Option(help='"auto", "cpu", "cuda", "cuda:1" ...')] = "auto",
    time_limit: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="Stop cleanly after this time: 90s, 9m, 1h30m.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over, removing what an earlier call left.")] = False,
) -> None:
    """Train a recipe to its end and score it. The same command again goes on where it stopped."""
    from cganzoo.recipe.read import load_recipe
    from cganzoo.recipe.resolve import resolve
    from cganzoo.runs.folder import RunFolder

    limit = None if time_limit is None else seconds(time_limit)
    overrides = [*(overrides or []), *([f"train.seed={seed}"] if seed is not None else [])]
    resolved = resolve(load_recipe(recipe, overrides))
    folder = RunFolder(out / resolved.recipe.name / f"seed-{resolved.recipe.sections.train.seed}")
    with folder.claimed():
        if not fresh:
            folder.check_same_recipe(resolved)

        from cganzoo.console.reporter import Reporter
        from cganzoo.session.device import pick_device  # torch, from here on
        from cganzoo.session.run import Session
        from cganzoo.train.stop import Stop

        reporter = Reporter(stdout_console(), folder.log_file)
        stop = Stop.after(limit)
        try:
            finished = Session(resolved, folder, reporter, pick_device(device)).run(stop, fresh=fresh)
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
    count: Annotated[int | None, typer.Option("-n", min=1, help="Images in all; default: 10 a class.")] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="A picture file for a grid; a folder for single PNG images.")
    ] = Path("samples.png"),
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
    device: Annotated[str, typer.Option(help='"auto", "cpu", "cuda" ...')] = "auto",
) -> None:
    """Draw images from a trained generator. Needs neither the data set nor training."""
    from .sample import draw

    written = draw(source, classes or [], count, out, seed, device)
    stdout_console().print(f"samples: {written}", highlight=False, soft_wrap=True)


@app.command()
def export(
    source: Annotated[str, typer.Argument(metavar="RUN", help="Run folder.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.safetensors", help="Where to write.")],
) -> None:
    """Write the trained generator as one file, with its recipe and provenance inside."""
    from cganzoo.errors import RunError
    from cganzoo.images.trained import from_run, save
    from cganzoo.runs.folder import find_run

    if file.suffix != ".safetensors":
        raise RunError(f"{file}: must end in .safetensors")
    save(from_run(find_run(source)), file)
    stdout_console().print(f"generator: {file}", highlight=False, soft_wrap=True)


@app.command()
def evaluate(
    source: Annotated[str, typer.Argument(metavar="RUN", help="Run folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print step, scores, real scores and protocol.")] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one value for this evaluation: data.root=FOLDER."),
    ] = None,
    device: Annotated[str, typer.Option(help='"auto", "cpu", "cuda" ...')] = "auto",
) -> None:
    """Score a run's newest checkpoint as its recipe says."""
    from cganzoo.console.reporter import Reporter
    from cganzoo.runs.folder import find_run
    from cganzoo.session.device import pick_device, reproducible
    from cganzoo.session.scorer import evaluate_run, show

    # With --json, standard output is the JSON alone; progress goes to standard error.
    reporter = Reporter(stderr_console() if as_json else stdout_console())
    where = pick_device(device)
    with reproducible(where):
        step, resolved, evaluation = evaluate_run(find_run(source), reporter, where, overrides or [])
    if as_json:
        print(
            json.dumps(
                {
                    "step": step,
                    "scores": evaluation.scores,
                    "real_test": evaluation.real_test,
                    "real_halves": evaluation.real_halves,
                    "protocol": evaluation.protocol,
                },
                indent=2,
                allow_nan=False,
            )
        )
    else:
        show(evaluation, resolved, reporter)


app.command()(compare)
app.command()(report)


@app.command()
def plugins(
    name: Annotated[
        str | None, typer.Argument(help="Tell everything about one component: its options, paper, recipe lines.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the installed components, where each comes from, and what is wrong with a plugin that did not load."""
    from .plugin_list import show_plugins

    show_plugins(name, as_json=as_json)


@recipes_app.callback()
def recipes(context: typer.Context) -> None:
    """List the recipes that come with the zoo, or copy one."""
    if context.invoked_subcommand is not None:
        return
    from rich.table import Table

    from cganzoo.recipe import bundled

    groups: dict[str, list[str]] = {}
    for name in bundled.names():
        groups.setdefault(name.rpartition("_")[2], []).append(name)  # <method>_<data set>
    table = Table(box=None, pad_edge=False, expand=True)
    table.add_column(
        "recipe", style="bold", width=max(map(len, [*bundled.names(), *bundled.groups()]))
    )  # the other column gives way
    table.add_column("what", no_wrap=True, overflow="ellipsis", ratio=1)
    for names in groups.values():
        if table.row_count:
            table.add_row()
        for name in names:
            table.add_row(name, bundled.summary(bundled.folder() / f"{name}.toml"))
    if bundled.groups():
        table.add_row()
    for name in bundled.groups():  # for `cganzoo compare`
        table.add_row(name, bundled.summary(bundled.folder() / f"{name}.toml"))
    stdout_console().print(table)


@recipes_app.command("copy")
def copy_recipe(
    name: Annotated[str, typer.Argument(help="Name, as `cganzoo recipes` lists it.")],
    to: Annotated[Path, typer.Argument(help="File or folder to copy to.")] = Path(),
) -> None:
    """Copy a recipe, to change it."""
    from cganzoo.errors import RecipeError
    from cganzoo.recipe import bundled

    original = bundled.find_bundled(name)
    target = to / original.name if to.is_dir() else to
    if target.exists():
        raise RecipeError(f"{target}: exists already; name another file")
    try:
        target.write_bytes(original.read_bytes())
    except OSError as error:
        raise RecipeError(f"{target}: cannot be written: {error.strerror}") from error
    stdout_console().print(f"recipe: {target}", highlight=False, soft_wrap=True)


@app.command()
def schema() -> None:
    """Print the JSON Schema of recipes, with the options of the installed components, for editors."""
    from cganzoo.recipe.schema import recipe_schema
    from cganzoo.registry.probe import load_survivors

    from .plugin_list import tell_failures

    registry = load_survivors()
    print(json.dumps(recipe_schema(registry), indent=2))
    tell_failures(registry)
