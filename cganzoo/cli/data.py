"""``cganzoo data``: one thin function per verb; each imports what it needs when it is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cganzoo.console.reporter import Reporter

data_app = typer.Typer(help="Download a data set, pack it, look at it.", no_args_is_help=True)

What = Annotated[str, typer.Argument(metavar="RECIPE|NAME", help="Recipe, or name of a data set.")]
Root = Annotated[str | None, typer.Option(help="Same as --set data.root=PATH.")]
Size = Annotated[
    int | None,
    typer.Option(metavar="PX", help="Same as --set data.image_size=PX; default: the recipe's, or the set's own."),
]
Channels = Annotated[int | None, typer.Option(metavar="1|3", help="Same as --set data.channels=N.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one value: data.image_size=64.")
]


@data_app.command()
def get(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a data set, as `cganzoo plugins` lists it.")],
    to: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where to keep it; default: in the cache.")] = None,
    url: Annotated[str | None, typer.Option(help="Another place to get the same file from.")] = None,
    checksum: Annotated[
        str | None, typer.Option(metavar="ALG:HEX", help="md5:... or sha256:... of the file, if not the official one.")
    ] = None,
) -> None:
    """Download a data set's official archive, verify it and unpack it. Resumes an interrupted download."""
    from dataclasses import replace

    from cganzoo.console.reporter import amount
    from cganzoo.data.archive import is_tar
    from cganzoo.session.dataset import download, find_archive, unpack

    reporter = _reporter()
    archive = find_archive(name)
    if archive is None:
        reporter.say(f"{name}: is part of the software; there is nothing to download")
        return
    if checksum is not None:
        archive = replace(archive, checksum=checksum, size=None)
    place = download(archive, reporter, to, url)
    reporter.say(f"{name}: {place} ({amount(place.stat().st_size)}, checksum right)")
    if is_tar(place):
        reporter.say(f"unpacked: {unpack(place, reporter)}")
    if to is not None:
        reporter.say(f"in a recipe, under [data]: root = {json.dumps(str(place.resolve()))}")


@data_app.command()
def pack(
    what: What, root: Root = None, size: Size = None, channels: Channels = None, overrides: Overrides = None
) -> None:
    """Decode a data set into the cache now instead of at the first run."""
    from cganzoo.session.dataset import load, open_source, place_of, select

    reporter = _reporter()
    selection = select(what, _all_overrides(overrides, root, size, channels))
    splits = load(selection, open_source(selection, reporter), reporter)
    counts = ", ".join(f"{len(split.labels):,} {name}" for name, split in splits.items())
    reporter.say(f"{selection.spec.name}: {counts} images of {splits['train'].num_classes:,} classes")
    reporter.say(f"packed: {place_of(splits)}")


@data_app.command()
def info(
    what: What,
    root: Root = None,
    size: Size = None,
    channels: Channels = None,
    overrides: Overrides = None,
    every_class: Annotated[bool, typer.Option("--all", help="Every class, not the first few.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PICTURE", help="The grid of samples; default: NAME-PXpx.png.")
    ] = None,
) -> None:
    """Show a data set's classes, counts and sizes, and write a grid of its images, one row for each class."""
    from cganzoo.images import grids
    from cganzoo.session.dataset import load, open_source, select

    from .data_info import grid, lines, picture_file, table

    reporter = _reporter()
    selection = select(what, _all_overrides(overrides, root, size, channels))
    file = picture_file(selection, out)
    source = open_source(selection, reporter)
    splits = load(selection, source, reporter)
    for line in lines(selection, source, splits):
        reporter.say(line)
    reporter.console.print(table(splits, every_class=every_class))
    reporter.say(f"samples: {grids.save(grid(splits['train']), file)}")


def _reporter() -> Reporter:
    from cganzoo.console.reporter import Reporter
    from cganzoo.console.streams import stdout_console

    return Reporter(stdout_console())


def _all_overrides(overrides: list[str] | None, root: str | None, size: int | None, channels: int | None) -> list[str]:
    short = {"root": root, "image_size": size, "channels": channels}
    given = [f"data.{key}={json.dumps(value)}" for key, value in short.items() if value is not None]
    return [*(overrides or []), *given]
